"""What each controller may do: cluster roles `system:controller:NAME`, each bound to the service account of that name.

The notation is that of `policy.py`. Such accounts matter to whoever runs the original controller manager with one
account per controller.
"""

CONTROLLER_ROLES = """
attachdetach-controller
  list,watch persistentvolumeclaims persistentvolumes
  get,list,watch nodes
  patch,update nodes/status
  list,watch pods
  create,patch,update events @ @events.k8s.io
  create,delete,get,list,watch volumeattachments @storage.k8s.io
  get,list,watch csidrivers @storage.k8s.io
  get,list,watch csinodes @storage.k8s.io
certificate-controller
  delete,get,list,watch certificatesigningrequests @certificates.k8s.io
  update certificatesigningrequests/approval certificatesigningrequests/status @certificates.k8s.io
  approve signers @certificates.k8s.io =kubernetes.io/kube-apiserver-client-kubelet
  sign signers @certificates.k8s.io =kubernetes.io/kube-apiserver-client \
=kubernetes.io/kube-apiserver-client-kubelet =kubernetes.io/kubelet-serving =kubernetes.io/legacy-unknown
  create subjectaccessreviews @authorization.k8s.io
  create,patch,update events @ @events.k8s.io
clusterrole-aggregation-controller
  escalate,get,list,patch,update,watch clusterroles @rbac.authorization.k8s.io
cronjob-controller
  get,list,update,watch cronjobs @batch
  create,delete,get,list,patch,update,watch jobs @batch
  update cronjobs/status @batch
  update cronjobs/finalizers @batch
  delete,list,watch pods
  create,patch,update events @ @events.k8s.io
daemon-set-controller
  get,list,watch daemonsets @apps @extensions
  update daemonsets/status @apps @extensions
  update daemonsets/finalizers @apps @extensions
  list,watch nodes
  create,delete,list,patch,watch pods
  create pods/binding
  create,delete,get,list,patch,update,watch controllerrevisions @apps
  create,patch,update events @ @events.k8s.io
deployment-controller
  get,list,update,watch deployments @apps @extensions
  update deployments/status @apps @extensions
  update deployments/finalizers @apps @extensions
  create,delete,get,list,patch,update,watch replicasets @apps @extensions
  get,list,update,watch pods
  create,patch,update events @ @events.k8s.io
device-taint-eviction-controller
  delete,get,list,watch pods
  patch,update pods/status
  get,list,watch resourceclaims @resource.k8s.io
  get,list,watch resourceslices @resource.k8s.io
  get,list,watch deviceclasses @resource.k8s.io
  create,patch,update events @ @events.k8s.io
  patch,update devicetaintrules/status @resource.k8s.io
  get,list,watch devicetaintrules @resource.k8s.io
disruption-controller
  get,list,watch deployments @apps @extensions
  get,list,watch replicasets @apps @extensions
  get,list,watch replicationcontrollers
  get,list,watch poddisruptionbudgets @policy
  get,list,watch statefulsets @apps
  update poddisruptionbudgets/status @policy
  patch,update pods/status
  get */scale @*
  create,patch,update events @ @events.k8s.io
endpoint-controller
  get,list,watch pods services
  create,delete,get,list,update,watch endpoints
  create endpoints/restricted
  create,patch,update events @ @events.k8s.io
endpointslice-controller
  get,list,watch nodes pods services
  update services/finalizers
  create,delete,get,list,update,watch endpointslices @discovery.k8s.io
  create,patch,update events @ @events.k8s.io
endpointslicemirroring-controller
  get,list,watch endpoints services
  update services/finalizers
  update endpoints/finalizers
  create,delete,get,list,update,watch endpointslices @discovery.k8s.io
  create,patch,update events @ @events.k8s.io
ephemeral-volume-controller
  get,list,watch pods
  update pods/finalizers
  create,get,list,watch persistentvolumeclaims
  create,patch,update events @ @events.k8s.io
expand-controller
  get,list,patch,update,watch persistentvolumes
  patch,update persistentvolumeclaims/status
  get,list,watch persistentvolumeclaims
  create,patch,update events @ @events.k8s.io
generic-garbage-collector
  delete,get,list,patch,update,watch * @*
  create,patch,update events @ @events.k8s.io
horizontal-pod-autoscaler
  get,list,watch horizontalpodautoscalers @autoscaling
  update horizontalpodautoscalers/status @autoscaling
  get,update */scale @*
  list,watch pods
  list,watch pods @metrics.k8s.io
  get,list,watch * @custom.metrics.k8s.io
  get,list,watch * @external.metrics.k8s.io
  create,patch,update events @ @events.k8s.io
job-controller
  get,list,patch,update,watch jobs @batch
  update jobs/status @batch
  update jobs/finalizers @batch
  create,delete,list,patch,watch pods
  create,patch,update events @ @events.k8s.io
kube-apiserver-serving-clustertrustbundle-publisher
  attest signers @certificates.k8s.io =kubernetes.io/kube-apiserver-serving
  create,delete,list,update,watch clustertrustbundles @certificates.k8s.io
  create,patch,update events @ @events.k8s.io
legacy-service-account-token-cleaner
  get configmaps =kube-apiserver-legacy-service-account-token-tracking
  delete,patch secrets
namespace-controller
  delete,get,list,watch namespaces
  update namespaces/finalize namespaces/status
  delete,deletecollection,get,list,watch * @*
node-controller
  delete,get,list,patch,update,watch nodes
  patch,update nodes/status
  patch,update pods/status
  delete,get,list,watch pods
  get,list,watch leases @coordination.k8s.io
  create,patch,update events @ @events.k8s.io
persistent-volume-binder
  create,delete,get,list,update,watch persistentvolumes
  update persistentvolumes/status
  get,list,update,watch persistentvolumeclaims
  update persistentvolumeclaims/status
  create,delete,get,list,watch pods
  get,list,watch storageclasses @storage.k8s.io
  list,watch nodes
  create,patch,update events @ @events.k8s.io
  watch events
pod-garbage-collector
  delete,list,watch pods
  get,list,watch nodes
  patch pods/status
podcertificaterequestcleaner
  delete,get,list,watch podcertificaterequests @certificates.k8s.io
pv-protection-controller
  get,list,update,watch persistentvolumes
  create,patch,update events @ @events.k8s.io
pvc-protection-controller
  get,list,update,watch persistentvolumeclaims
  update persistentvolumeclaims/status
  get,list,watch pods
  create,patch,update events @ @events.k8s.io
replicaset-controller
  get,list,update,watch replicasets @apps @extensions
  update replicasets/status @apps @extensions
  update replicasets/finalizers @apps @extensions
  create,delete,list,patch,watch pods
  create,patch,update events @ @events.k8s.io
replication-controller
  get,list,update,watch replicationcontrollers
  update replicationcontrollers/status
  update replicationcontrollers/finalizers
  create,delete,list,patch,watch pods
  create,patch,update events @ @events.k8s.io
resource-claim-controller
  get,list,watch pods
  update pods/finalizers
  create,delete,get,list,watch resourceclaims @resource.k8s.io
  patch,update resourceclaims resourceclaims/status @resource.k8s.io
  patch,update pods/status
  create,patch,update events @ @events.k8s.io
  patch,update resourceclaims/binding @resource.k8s.io
resourcequota-controller
  list,watch * @*
  update resourcequotas/status
  create,patch,update events @ @events.k8s.io
root-ca-cert-publisher
  create,update configmaps
  create,patch,update events @ @events.k8s.io
route-controller
  list,watch nodes
  patch nodes/status
  create,patch,update events @ @events.k8s.io
selinux-warning-controller
  create,patch,update events @ @events.k8s.io
  get,list,watch persistentvolumes
  get,list,watch persistentvolumeclaims
  get,list,watch pods
  get,list,watch csidrivers @storage.k8s.io
service-account-controller
  create serviceaccounts
  create,patch,update events @ @events.k8s.io
service-cidrs-controller
  get,list,patch,update,watch servicecidrs @networking.k8s.io
  patch,update servicecidrs/finalizers @networking.k8s.io
  patch,update servicecidrs/status @networking.k8s.io
  get,list,watch ipaddresses @networking.k8s.io
  create,patch,update events @ @events.k8s.io
service-controller
  get,list,watch services
  patch,update services/status
  list,watch nodes
  create,patch,update events @ @events.k8s.io
statefulset-controller
  list,watch pods
  get,list,watch statefulsets @apps
  update statefulsets/status @apps
  update statefulsets/finalizers @apps
  create,delete,get,patch,update pods
  create,delete,get,list,patch,update,watch controllerrevisions @apps
  create,get,list,watch persistentvolumeclaims
  delete,update persistentvolumeclaims
  update pods/finalizers
  create,patch,update events @ @events.k8s.io
storage-version-migrator-controller
  list,patch * @*
  get customresourcedefinitions @apiextensions.k8s.io
  patch customresourcedefinitions/status @apiextensions.k8s.io
  update storageversionmigrations/status @storagemigration.k8s.io
ttl-after-finished-controller
  delete,get,list,watch jobs @batch
  create,patch,update events @ @events.k8s.io
ttl-controller
  list,patch,update,watch nodes
  create,patch,update events @ @events.k8s.io
validatingadmissionpolicy-status-controller
  get,list,watch validatingadmissionpolicies @admissionregistration.k8s.io
  get,patch,update validatingadmissionpolicies/status @admissionregistration.k8s.io
  create,patch,update events @ @events.k8s.io
volumeattributesclass-protection-controller
  get,list,watch persistentvolumeclaims
  get,list,watch persistentvolumes
  get,list,update,watch volumeattributesclasses @storage.k8s.io
  create,patch,update events @ @events.k8s.io
"""
