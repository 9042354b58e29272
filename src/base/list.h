/* Intrusive doubly linked list with a head of the same type.
 *
 *     struct list waiting = LIST_INIT(waiting);
 *     list_append(&waiting, &job->node);
 *     list_foreach_safe(&waiting, n) run(container_of(n, struct job, node));
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *prev, *next;
};

#define LIST_INIT(head)                                                                                      \
    {                                                                                                        \
        &(head), &(head)                                                                                     \
    }

static inline void list_init(struct list *l)
{
    l->prev = l->next = l;
}
static inline bool list_is_empty(const struct list *head)
{
    return head->next == head;
}
static inline void list_append(struct list *head, struct list *n)
{
    n->prev = head->prev;
    n->next = head;
    head->prev->next = n;
    head->prev = n;
}
static inline void list_prepend(struct list *head, struct list *n)
{
    list_append(head->next, n);
}
/* Also fine on a node that is in no list, if it was list_init()ed. */
static inline void list_remove(struct list *n)
{
    n->prev->next = n->next;
    n->next->prev = n->prev;
    list_init(n);
}

#define list_foreach(head, it) for (struct list *it = (head)->next; it != (head); it = it->next)
/* The current node may be removed inside. */
#define list_foreach_safe(head, it)                                                                          \
    for (struct list *it = (head)->next, *it##_next = it->next; it != (head);                                \
         it = it##_next, it##_next = it->next)
