#include "object/protobuf-object.h"

/* Field numbers: NAME=NUMBER, with '?' behind what is a pointer in Go, and '@' before a type that is inlined
 * in JSON. Types of groups other than core, meta and apps have the group before the name. */
static const struct {
    const char *type, *fields;
} tags[] = {
    {"Capabilities", "add=1 drop=2"},
    {"ClientIPConfig", "timeoutSeconds=1?"},
    {"ConfigMap", "metadata=1 data=2 binaryData=3 immutable=4?"},
    {"ConfigMapEnvSource", "@LocalObjectReference=1 optional=2?"},
    {"ConfigMapKeySelector", "@LocalObjectReference=1 key=2 optional=3?"},
    {"ConfigMapVolumeSource", "@LocalObjectReference=1 items=2 defaultMode=3? optional=4?"},
    {"Container",
     "name=1 image=2 command=3 args=4 workingDir=5 ports=6 env=7 resources=8 volumeMounts=9 "
     "livenessProbe=10? readinessProbe=11? lifecycle=12? terminationMessagePath=13 imagePullPolicy=14 "
     "securityContext=15? stdin=16 stdinOnce=17 tty=18 envFrom=19 terminationMessagePolicy=20 "
     "volumeDevices=21 startupProbe=22? resizePolicy=23 restartPolicy=24?"},
    {"ContainerPort", "name=1 hostPort=2 containerPort=3 protocol=4 hostIP=5"},
    {"DeleteOptions",
     "gracePeriodSeconds=1? preconditions=2? orphanDependents=3? propagationPolicy=4? dryRun=5"},
    {"Deployment", "metadata=1 spec=2 status=3"},
    {"DeploymentCondition", "type=1 status=2 reason=4 message=5 lastUpdateTime=6 lastTransitionTime=7"},
    {"DeploymentSpec",
     "replicas=1? selector=2? template=3 strategy=4 minReadySeconds=5 revisionHistoryLimit=6? "
     "paused=7 progressDeadlineSeconds=9?"},
    {"DeploymentStatus", "observedGeneration=1 replicas=2 updatedReplicas=3 availableReplicas=4 "
                         "unavailableReplicas=5 conditions=6 readyReplicas=7 collisionCount=8?"},
    {"DeploymentStrategy", "type=1 rollingUpdate=2?"},
    {"EmptyDirVolumeSource", "medium=1 sizeLimit=2?"},
    {"EnvFromSource", "prefix=1 configMapRef=2? secretRef=3?"},
    {"EnvVar", "name=1 value=2 valueFrom=3?"},
    {"EnvVarSource", "fieldRef=1? resourceFieldRef=2? configMapKeyRef=3? secretKeyRef=4?"},
    {"Event", "metadata=1 involvedObject=2 reason=3 message=4 source=5 firstTimestamp=6 lastTimestamp=7 "
              "count=8 type=9 "
              "eventTime=10 series=11? action=12 related=13? reportingComponent=14 reportingInstance=15"},
    {"EventSeries", "count=1 lastObservedTime=2"},
    {"EventSource", "component=1 host=2"},
    {"ExecAction", "command=1"},
    {"GRPCAction", "port=1 service=2?"},
    {"HTTPGetAction", "path=1 port=2 host=3 scheme=4 httpHeaders=5"},
    {"HTTPHeader", "name=1 value=2"},
    {"HostPathVolumeSource", "path=1 type=2?"},
    {"KeyToPath", "key=1 path=2 mode=3?"},
    {"LabelSelector", "matchLabels=1 matchExpressions=2"},
    {"LabelSelectorRequirement", "key=1 operator=2 values=3"},
    {"LoadBalancerIngress", "ip=1 hostname=2 ipMode=3?"},
    {"LoadBalancerStatus", "ingress=1"},
    {"LocalObjectReference", "name=1"},
    {"ManagedFieldsEntry",
     "manager=1 operation=2 apiVersion=3 time=4? fieldsType=6 fieldsV1=7? subresource=8"},
    {"Namespace", "metadata=1 spec=2 status=3"},
    {"NamespaceSpec", "finalizers=1"},
    {"NamespaceStatus", "phase=1"},
    {"ObjectFieldSelector", "apiVersion=1 fieldPath=2"},
    {"ObjectMeta",
     "name=1 generateName=2 namespace=3 selfLink=4 uid=5 resourceVersion=6 generation=7 "
     "creationTimestamp=8 deletionTimestamp=9? deletionGracePeriodSeconds=10? labels=11 annotations=12 "
     "ownerReferences=13 finalizers=14 managedFields=17"},
    {"ObjectReference", "kind=1 namespace=2 name=3 uid=4 apiVersion=5 resourceVersion=6 fieldPath=7"},
    {"OwnerReference", "kind=1 name=3 uid=4 apiVersion=5 controller=6? blockOwnerDeletion=7?"},
    {"Pod", "metadata=1 spec=2 status=3"},
    {"PodSecurityContext", "runAsUser=2? runAsNonRoot=3? supplementalGroups=4 fsGroup=5? runAsGroup=6? "
                           "fsGroupChangePolicy=9? seccompProfile=10?"},
    {"PodSpec",
     "volumes=1 containers=2 restartPolicy=3 terminationGracePeriodSeconds=4? activeDeadlineSeconds=5? "
     "dnsPolicy=6 nodeSelector=7 serviceAccountName=8 serviceAccount=9 nodeName=10 hostNetwork=11 hostPID=12 "
     "hostIPC=13 securityContext=14? imagePullSecrets=15 hostname=16 subdomain=17 schedulerName=19 "
     "initContainers=20 automountServiceAccountToken=21? tolerations=22 priorityClassName=24 priority=25? "
     "shareProcessNamespace=27? runtimeClassName=29? enableServiceLinks=30? preemptionPolicy=31? "
     "overhead=32 setHostnameAsFQDN=35?"},
    {"PodStatus", "phase=1 message=3 reason=4 hostIP=5 podIP=6 startTime=7? qosClass=9 nominatedNodeName=11"},
    {"PodTemplateSpec", "metadata=1 spec=2"},
    {"Preconditions", "uid=1? resourceVersion=2?"},
    {"Probe", "@ProbeHandler=1 initialDelaySeconds=2 timeoutSeconds=3 periodSeconds=4 successThreshold=5 "
              "failureThreshold=6 terminationGracePeriodSeconds=7?"},
    {"ProbeHandler", "exec=1? httpGet=2? tcpSocket=3? grpc=4?"},
    {"ReplicaSet", "metadata=1 spec=2 status=3"},
    {"ReplicaSetSpec", "replicas=1? selector=2? template=3 minReadySeconds=4"},
    {"ReplicaSetStatus",
     "replicas=1 fullyLabeledReplicas=2 observedGeneration=3 readyReplicas=4 availableReplicas=5"},
    {"ResourceRequirements", "limits=1 requests=2"},
    {"RollingUpdateDeployment", "maxUnavailable=1? maxSurge=2?"},
    {"SeccompProfile", "type=1 localhostProfile=2?"},
    {"Secret", "metadata=1 data=2 type=3 stringData=4 immutable=5?"},
    {"SecretEnvSource", "@LocalObjectReference=1 optional=2?"},
    {"SecretKeySelector", "@LocalObjectReference=1 key=2 optional=3?"},
    {"SecretVolumeSource", "secretName=1 items=2 defaultMode=3? optional=4?"},
    {"SecurityContext",
     "capabilities=1? privileged=2? runAsUser=4? runAsNonRoot=5? readOnlyRootFilesystem=6? "
     "allowPrivilegeEscalation=7? runAsGroup=8? procMount=9? seccompProfile=11?"},
    {"Service", "metadata=1 spec=2 status=3"},
    {"ServiceAccount", "metadata=1 secrets=2 imagePullSecrets=3 automountServiceAccountToken=4?"},
    {"ServicePort", "name=1 protocol=2 port=3 targetPort=4 nodePort=5 appProtocol=6?"},
    {"ServiceSpec",
     "ports=1 selector=2 clusterIP=3 type=4 externalIPs=5 sessionAffinity=7 loadBalancerIP=8 "
     "loadBalancerSourceRanges=9 externalName=10 externalTrafficPolicy=11 healthCheckNodePort=12 "
     "publishNotReadyAddresses=13 sessionAffinityConfig=14? ipFamilyPolicy=17? clusterIPs=18 "
     "ipFamilies=19 allocateLoadBalancerNodePorts=20? loadBalancerClass=21? internalTrafficPolicy=22? "
     "trafficDistribution=23?"},
    {"ServiceStatus", "loadBalancer=1"},
    {"SessionAffinityConfig", "clientIP=1?"},
    {"TCPSocketAction", "port=1 host=2"},
    {"Toleration", "key=1 operator=2 value=3 effect=4 tolerationSeconds=5?"},
    {"Volume", "name=1 @VolumeSource=2"},
    {"VolumeMount", "name=1 readOnly=2 mountPath=3 subPath=4 mountPropagation=5? subPathExpr=6"},
    {"VolumeSource", "hostPath=1? emptyDir=2? secret=6? configMap=19?"},
    {"coordination.Lease", "metadata=1 spec=2"},
    {"coordination.LeaseSpec", "holderIdentity=1? leaseDurationSeconds=2? acquireTime=3? renewTime=4? "
                               "leaseTransitions=5?"},
    {"events.Event",
     "metadata=1 eventTime=2 series=3? reportingController=4 reportingInstance=5 action=6 reason=7 "
     "regarding=8 related=9? note=10 type=11 deprecatedSource=12 deprecatedFirstTimestamp=13 "
     "deprecatedLastTimestamp=14 deprecatedCount=15"},
    {"events.EventSeries", "count=1 lastObservedTime=2"},
};

static const char *fields_of(struct str group, struct str name)
{
    char key[96];
    bool plain = !group.len || str_eq(group, STR("core")) || str_eq(group, STR("apps"));
    size_t len = plain ? 0 : group.len + 1;
    if (len + name.len >= sizeof key)
        return NULL;
    if (!plain) {
        memcpy(key, group.p, group.len);
        key[group.len] = '.';
    }
    memcpy(key + len, name.p, name.len);
    for (size_t i = 0; i < ARRAY_LEN(tags); i++) {
        if (str_eqz((struct str){key, len + name.len}, tags[i].type))
            return tags[i].fields;
    }
    return NULL;
}

/* "discovery" of "io.k8s.api.discovery.v1.Endpoint"; empty for meta. */
static struct str group_of(const struct schema_type *type)
{
    const struct str prefix = STR("io.k8s.api.");
    struct str rest = type->openapi, group;
    if (!str_has_prefix(rest, prefix))
        return STR("");
    rest = str_slice(rest, prefix.len, rest.len);
    return str_split(&rest, '.', &group) ? group : STR("");
}

bool protobuf_tag_find(const struct schema_type *type, struct str inlined, uint32_t number,
                       struct protobuf_tag *ret)
{
    const char *fields = fields_of(group_of(type), inlined.len ? inlined : type->name);
    struct str rest = str_of(fields), item, name;
    while (fields && rest.p && str_split(&rest, ' ', &item)) {
        int64_t n;
        bool pointer = str_has_suffix(item, STR("?"));
        struct str value = str_slice(item, 0, item.len - pointer);
        if (!str_split(&value, '=', &name) || str_to_int64(value, &n) < 0 || n != number)
            continue;
        bool is_inlined = name.p[0] == '@';
        *ret = (struct protobuf_tag){str_slice(name, is_inlined, name.len), pointer, is_inlined};
        return true;
    }
    return false;
}
