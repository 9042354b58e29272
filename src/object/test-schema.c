#include "object/test-schema.h"

#define FIELDS(list) .fields = list, .n_fields = sizeof(list) / sizeof((list)[0])
#define OBJECT(go, version, list)                                                                            \
    {                                                                                                        \
        .kind = SCHEMA_OBJECT, .name = STR_INIT(go), .openapi = STR_INIT("io.k8s.api." version "." go),      \
        FIELDS(list)                                                                                         \
    }
#define LIST_OF(e)                                                                                           \
    {                                                                                                        \
        .kind = SCHEMA_LIST, .element = &(e)                                                                 \
    }
#define MAP_OF(e)                                                                                            \
    {                                                                                                        \
        .kind = SCHEMA_MAP, .element = &(e)                                                                  \
    }
#define F(n, t)    .name = STR_INIT(n), .type = &(t)
#define G(n, t)    F(n, t), .merge = SCHEMA_GRANULAR /* maps and objects whose members are told apart */
#define KEYS(list) .merge = SCHEMA_MAP_KEYS, .map_keys = list, .n_map_keys = sizeof(list) / sizeof((list)[0])
#define ENUM(list) .enum_values = list, .n_enum_values = sizeof(list) / sizeof((list)[0])

static const struct schema_type string = {.kind = SCHEMA_STRING}, boolean = {.kind = SCHEMA_BOOL},
                                int32 = {.kind = SCHEMA_INT32}, int64 = {.kind = SCHEMA_INT64},
                                time = {.kind = SCHEMA_TIME}, bytes = {.kind = SCHEMA_BYTES},
                                microtime = {.kind = SCHEMA_MICROTIME}, number = {.kind = SCHEMA_DOUBLE},
                                int_or_string = {.kind = SCHEMA_INT_OR_STRING},
                                quantity = {.kind = SCHEMA_QUANTITY}, any = {.kind = SCHEMA_ANY};
static const struct schema_type strings = LIST_OF(string), string_map = MAP_OF(string),
                                bytes_map = MAP_OF(bytes), quantity_map = MAP_OF(quantity);
static const struct str by_name[] = {STR_INIT("name")}, by_uid[] = {STR_INIT("uid")},
                        by_type[] = {STR_INIT("type")};

/* metadata */
static const struct schema_field OwnerReference_fields[] = {
    {F("apiVersion", string), .required = true},
    {F("blockOwnerDeletion", boolean)},
    {F("controller", boolean)},
    {F("kind", string), .required = true},
    {F("name", string), .required = true},
    {F("uid", string), .required = true},
};
static const struct schema_type OwnerReference = {
    .kind = SCHEMA_OBJECT,
    .name = STR_INIT("OwnerReference"),
    .openapi = STR_INIT("io.k8s.apimachinery.pkg.apis.meta.v1.OwnerReference"),
    FIELDS(OwnerReference_fields),
    .atomic = true};
static const struct schema_type owner_references = LIST_OF(OwnerReference);
static const struct schema_field ManagedFieldsEntry_fields[] = {
    {F("apiVersion", string)}, {F("fieldsType", string)},  {F("fieldsV1", any)}, {F("manager", string)},
    {F("operation", string)},  {F("subresource", string)}, {F("time", time)},
};
static const struct schema_type ManagedFieldsEntry =
    OBJECT("ManagedFieldsEntry", "meta.v1", ManagedFieldsEntry_fields);
static const struct schema_type managed_fields = LIST_OF(ManagedFieldsEntry);
static const struct schema_field ObjectMeta_fields[] = {
    {G("annotations", string_map)},
    {F("creationTimestamp", time)},
    {F("deletionGracePeriodSeconds", int64)},
    {F("deletionTimestamp", time)},
    {F("finalizers", strings), .merge = SCHEMA_SET, .patch_merge = true},
    {F("generateName", string)},
    {F("generation", int64)},
    {G("labels", string_map)},
    {F("managedFields", managed_fields)},
    {F("name", string)},
    {F("namespace", string)},
    {F("ownerReferences", owner_references), KEYS(by_uid), .patch_merge = true,
     .patch_merge_key = STR_INIT("uid")},
    {F("resourceVersion", string)},
    {F("selfLink", string)},
    {F("uid", string)},
};
static const struct schema_type ObjectMeta = {.kind = SCHEMA_OBJECT,
                                              .name = STR_INIT("ObjectMeta"),
                                              .openapi =
                                                  STR_INIT("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"),
                                              FIELDS(ObjectMeta_fields)};

/* Condition, as many kinds have it */
static const struct schema_field Condition_fields[] = {
    {F("lastTransitionTime", time)},
    {F("message", string)},
    {F("reason", string)},
    {F("status", string), .required = true},
    {F("type", string), .required = true},
};
static const struct schema_type Condition = OBJECT("Condition", "meta.v1", Condition_fields);
static const struct schema_type conditions = LIST_OF(Condition);

/* Service */
static const struct str protocols[] = {STR_INIT("SCTP"), STR_INIT("TCP"), STR_INIT("UDP")};
static const struct str service_types[] = {STR_INIT("ClusterIP"), STR_INIT("ExternalName"),
                                           STR_INIT("LoadBalancer"), STR_INIT("NodePort")};
static const struct str families[] = {STR_INIT("IPv4"), STR_INIT("IPv6")};
static const struct str by_port[] = {STR_INIT("port"), STR_INIT("protocol")};
static const struct schema_field ServicePort_fields[] = {
    {F("appProtocol", string)},
    {F("name", string)},
    {F("nodePort", int32)},
    {F("port", int32), .required = true, .has_min = true, .has_max = true, .min = 1, .max = 65535},
    {F("protocol", string), .default_json = STR_INIT("\"TCP\""), ENUM(protocols)},
    {F("targetPort", int_or_string)},
};
static const struct schema_type ServicePort = OBJECT("ServicePort", "core.v1", ServicePort_fields);
static const struct schema_type service_ports = LIST_OF(ServicePort);
static const struct schema_field ServiceSpec_fields[] = {
    {F("clusterIP", string)},
    {F("clusterIPs", strings)},
    {F("ipFamilies", strings), ENUM(families)},
    {F("ports", service_ports), KEYS(by_port), .patch_merge = true, .patch_merge_key = STR_INIT("port")},
    {F("publishNotReadyAddresses", boolean)},
    {F("selector", string_map), .merge = SCHEMA_ATOMIC},
    {F("sessionAffinity", string), .default_json = STR_INIT("\"None\"")},
    {F("type", string), .default_json = STR_INIT("\"ClusterIP\""), ENUM(service_types)},
};
static const struct schema_type ServiceSpec = OBJECT("ServiceSpec", "core.v1", ServiceSpec_fields);
static const struct schema_field ServiceStatus_fields[] = {
    {F("conditions", conditions), KEYS(by_type), .patch_merge = true, .patch_merge_key = STR_INIT("type")},
};
static const struct schema_type ServiceStatus = OBJECT("ServiceStatus", "core.v1", ServiceStatus_fields);
static const struct schema_field Service_fields[] = {
    {F("apiVersion", string)},    {F("kind", string)},
    {G("metadata", ObjectMeta)},  {G("spec", ServiceSpec), .default_json = STR_INIT("{}")},
    {G("status", ServiceStatus)},
};
static const struct schema_type Service = OBJECT("Service", "core.v1", Service_fields);
static const struct str service_selectable[] = {STR_INIT("spec.clusterIP"), STR_INIT("spec.type")};
const struct schema_resource test_services = {
    .version = STR_INIT("v1"),
    .kind = STR_INIT("Service"),
    .plural = STR_INIT("services"),
    .type = &Service,
    .has_status = true,
    .selectable = service_selectable,
    .n_selectable = 2,
};

/* Deployment */
static const struct schema_field EnvVar_fields[] = {{F("name", string), .required = true},
                                                    {F("value", string)}};
static const struct schema_type EnvVar = OBJECT("EnvVar", "core.v1", EnvVar_fields);
static const struct schema_type env = LIST_OF(EnvVar);
static const struct str by_container_port[] = {STR_INIT("containerPort"), STR_INIT("protocol")};
static const struct schema_field ContainerPort_fields[] = {
    {F("containerPort", int32), .required = true},
    {F("name", string)},
    {F("protocol", string), .default_json = STR_INIT("\"TCP\"")},
};
static const struct schema_type ContainerPort = OBJECT("ContainerPort", "core.v1", ContainerPort_fields);
static const struct schema_type container_ports = LIST_OF(ContainerPort);
static const struct schema_field Resources_fields[] = {{G("limits", quantity_map)},
                                                       {G("requests", quantity_map)}};
static const struct schema_type Resources = OBJECT("ResourceRequirements", "core.v1", Resources_fields);
static const struct schema_field Container_fields[] = {
    {F("command", strings)},
    {F("env", env), KEYS(by_name), .patch_merge = true, .patch_merge_key = STR_INIT("name")},
    {F("image", string)},
    {F("name", string), .required = true},
    {F("ports", container_ports), KEYS(by_container_port), .patch_merge = true,
     .patch_merge_key = STR_INIT("containerPort")},
    {G("resources", Resources)},
};
static const struct schema_type Container = OBJECT("Container", "core.v1", Container_fields);
static const struct schema_type containers = LIST_OF(Container);
static const struct schema_field ConfigMapSource_fields[] = {{F("name", string)}};
static const struct schema_type ConfigMapSource =
    OBJECT("ConfigMapVolumeSource", "core.v1", ConfigMapSource_fields);
static const struct schema_field EmptyDir_fields[] = {{F("medium", string)}, {F("sizeLimit", quantity)}};
static const struct schema_type EmptyDir = OBJECT("EmptyDirVolumeSource", "core.v1", EmptyDir_fields);
static const struct schema_field Volume_fields[] = {
    {G("configMap", ConfigMapSource)}, {G("emptyDir", EmptyDir)}, {F("name", string), .required = true}};
static const struct schema_type Volume = OBJECT("Volume", "core.v1", Volume_fields);
static const struct schema_type volumes = LIST_OF(Volume);
static const struct schema_field Toleration_fields[] = {{F("key", string)}, {F("operator", string)}};
static const struct schema_type Toleration = OBJECT("Toleration", "core.v1", Toleration_fields);
static const struct schema_type tolerations = LIST_OF(Toleration);
static const struct schema_field PodSpec_fields[] = {
    {F("containers", containers), .required = true, KEYS(by_name), .patch_merge = true,
     .patch_merge_key = STR_INIT("name")},
    {F("nodeSelector", string_map), .merge = SCHEMA_ATOMIC},
    {F("tolerations", tolerations)},
    {F("volumes", volumes), KEYS(by_name), .patch_merge = true, .patch_retain_keys = true,
     .patch_merge_key = STR_INIT("name")},
};
static const struct schema_type PodSpec = OBJECT("PodSpec", "core.v1", PodSpec_fields);
static const struct schema_field Template_fields[] = {{G("metadata", ObjectMeta)}, {G("spec", PodSpec)}};
static const struct schema_type Template = OBJECT("PodTemplateSpec", "core.v1", Template_fields);
static const struct schema_field LabelSelector_fields[] = {{G("matchLabels", string_map)}};
static const struct schema_type LabelSelector = {
    .kind = SCHEMA_OBJECT,
    .name = STR_INIT("LabelSelector"),
    .openapi = STR_INIT("io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector"),
    FIELDS(LabelSelector_fields),
    .atomic = true};
static const struct schema_field RollingUpdate_fields[] = {{F("maxSurge", int_or_string)}};
static const struct schema_type RollingUpdate =
    OBJECT("RollingUpdateDeployment", "apps.v1", RollingUpdate_fields);
static const struct schema_field Strategy_fields[] = {{G("rollingUpdate", RollingUpdate)},
                                                      {F("type", string)}};
static const struct schema_type Strategy = OBJECT("DeploymentStrategy", "apps.v1", Strategy_fields);
static const struct schema_field DeploymentSpec_fields[] = {
    {F("paused", boolean)},
    {F("ratio", number)},
    {F("replicas", int32), .default_json = STR_INIT("1"), .has_min = true},
    {F("selector", LabelSelector), .required = true, .immutable = true},
    {G("strategy", Strategy), .patch_retain_keys = true},
    {G("template", Template), .required = true},
};
static const struct schema_type DeploymentSpec = OBJECT("DeploymentSpec", "apps.v1", DeploymentSpec_fields);
static const struct schema_field DeploymentStatus_fields[] = {
    {F("conditions", conditions), KEYS(by_type), .patch_merge = true, .patch_merge_key = STR_INIT("type")},
    {F("observedGeneration", int64)},
    {F("probed", microtime)},
};
static const struct schema_type DeploymentStatus =
    OBJECT("DeploymentStatus", "apps.v1", DeploymentStatus_fields);
static const struct schema_field Deployment_fields[] = {
    {F("apiVersion", string)},       {F("kind", string)},
    {G("metadata", ObjectMeta)},     {G("spec", DeploymentSpec)},
    {G("status", DeploymentStatus)},
};
static const struct schema_type Deployment = OBJECT("Deployment", "apps.v1", Deployment_fields);
const struct schema_resource test_deployments = {
    .group = STR_INIT("apps"),
    .version = STR_INIT("v1"),
    .kind = STR_INIT("Deployment"),
    .plural = STR_INIT("deployments"),
    .type = &Deployment,
    .has_status = true,
    .has_scale = true,
    .generation = true,
};

/* ConfigMap */
static const struct schema_field ConfigMap_fields[] = {
    {F("apiVersion", string)}, {G("binaryData", bytes_map)}, {G("data", string_map)},
    {F("immutable", boolean)}, {F("kind", string)},          {G("metadata", ObjectMeta)},
};
static const struct schema_type ConfigMap = OBJECT("ConfigMap", "core.v1", ConfigMap_fields);
const struct schema_resource test_configmaps = {
    .version = STR_INIT("v1"),
    .kind = STR_INIT("ConfigMap"),
    .plural = STR_INIT("configmaps"),
    .type = &ConfigMap,
};
