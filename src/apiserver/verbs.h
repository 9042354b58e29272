/* The verbs on resources, one file each. Every one answers R, now or later. */
#pragma once

struct request;

void verb_get(struct request *r);
void verb_list(struct request *r);
void verb_watch(struct request *r);
void verb_create(struct request *r);
void verb_update(struct request *r);
void verb_patch(struct request *r);
/* A patch of type apply-patch+yaml: server-side apply. */
void verb_apply(struct request *r);
void verb_delete(struct request *r);
void verb_delete_collection(struct request *r);
