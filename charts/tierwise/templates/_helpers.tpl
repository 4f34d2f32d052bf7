{{/* Labels of every object. Call with a dict: root, component. */}}
{{- define "tierwise.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: tierwise
{{ include "tierwise.selector" . }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Labels that never change during a release's life: a Deployment selects by them. */}}
{{- define "tierwise.selector" -}}
app.kubernetes.io/name: tierwise-{{ .component }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Labels of a pod: none that changes with every chart version, which would restart it for nothing. */}}
{{- define "tierwise.podLabels" -}}
app.kubernetes.io/part-of: tierwise
{{ include "tierwise.selector" . }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* An image reference. Call with a dict: image, root. */}}
{{- define "tierwise.image" -}}
{{- if .image.digest -}}
{{ .image.repository }}@{{ .image.digest }}
{{- else -}}
{{ .image.repository }}:{{ .image.tag | default .root.Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* The image that fetches models: the operator's, unless another repository is given. */}}
{{- define "tierwise.weightsImage" -}}
{{- if .Values.weights.image.repository -}}
{{ include "tierwise.image" (dict "image" .Values.weights.image "root" .) }}
{{- else -}}
{{ include "tierwise.image" (dict "image" .Values.operator.image "root" .) }}
{{- end -}}
{{- end }}

{{/* The Pod Security level "restricted", for a pod. */}}
{{- define "tierwise.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* The Pod Security level "restricted", for a container. */}}
{{- define "tierwise.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Where a pod runs. Call with the component's values. */}}
{{- define "tierwise.scheduling" -}}
{{- $fields := dict -}}
{{- range $field := list "nodeSelector" "tolerations" "affinity" "priorityClassName" -}}
{{- with get $ $field }}{{ $_ := set $fields $field . }}{{ end -}}
{{- end -}}
{{- with $fields }}{{ toYaml . }}{{ end -}}
{{- end }}

{{/* One rule for each Specialist's children and status, wherever the operator manages Specialists. */}}
{{- define "tierwise.operator.namespacedRules" -}}
- apiGroups: [tierwise.dev]
  resources: [specialists]
  verbs: [get, list, watch]
# A changed spec.model is tried in a Rollout of its own; spec.rolloutHistoryLimit says how many stay.
- apiGroups: [tierwise.dev]
  resources: [rollouts]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [tierwise.dev]
  resources: [specialists/status, rollouts/status]
  verbs: [get, patch]
# Where OwnerReferencesPermissionEnforcement is on, an owner reference that blocks deletion needs this.
- apiGroups: [tierwise.dev]
  resources: [specialists/finalizers]
  verbs: [update]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [deployments/scale]
  verbs: [get, patch]
# The mark that says which pods of a Deployment go first: those whose node is about to go.
- apiGroups: [""]
  resources: [pods]
  verbs: [patch]
# A short Job reads what a model in a claim says of itself; another trains a drifted Specialist again
# (spec.rollout.training).
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, create, patch, delete]
# Held-out questions (benchmark, safety) are read, and a training gets its preference pairs.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, create, patch, delete]
# A file of questions in a claim comes through the log of the Job that reads it.
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
{{- with .Values.weights.secrets }}
# Credentials of models' sources (spec.model.secretRef).
- apiGroups: [""]
  resources: [secrets]
  {{- if not (has "*" .) }}
  resourceNames:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  verbs: [get]
{{- end }}
# One replica over several nodes, where LeaderWorkerSet is installed.
- apiGroups: [leaderworkerset.x-k8s.io]
  resources: [leaderworkersets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [leaderworkerset.x-k8s.io]
  resources: [leaderworkersets/scale]
  verbs: [get, patch]
# What Kueue says of pods that wait for it, where it is installed.
- apiGroups: [kueue.x-k8s.io]
  resources: [workloads]
  verbs: [get, list]
{{- end }}

{{/* The Secret with the ledger's token. */}}
{{- define "tierwise.ledgerSecret" -}}
{{- .Values.ledger.token.existingSecret | default "tierwise-ledger" -}}
{{- end }}

{{/* Refuses what the schema cannot see: two values that contradict each other. */}}
{{- define "tierwise.check" -}}
{{- $needed := add .Values.router.withdrawSeconds .Values.router.drainSeconds 10 -}}
{{- if lt (int .Values.router.terminationGracePeriodSeconds) (int $needed) -}}
{{- fail (printf "router.terminationGracePeriodSeconds is %d, which kills a pod before its requests are done. Set it to at least %d (router.withdrawSeconds %d + router.drainSeconds %d + 10), or lower router.drainSeconds." (int .Values.router.terminationGracePeriodSeconds) (int $needed) (int .Values.router.withdrawSeconds) (int .Values.router.drainSeconds)) -}}
{{- end -}}
{{- if and .Values.router.service.nodePort (eq .Values.router.service.type "ClusterIP") -}}
{{- fail (printf "router.service.nodePort is %d, but router.service.type is ClusterIP. Set router.service.type to NodePort or LoadBalancer, or router.service.nodePort to 0." (int .Values.router.service.nodePort)) -}}
{{- end -}}
{{- if and .Values.ledger.enabled (gt (int .Values.ledger.replicas) 1) (not .Values.ledger.database.existingSecret) -}}
{{- fail (printf "ledger.replicas is %d, but without ledger.database.existingSecret the ledger is one SQLite file, which has one owner. Name a Secret with the address of a PostgreSQL, or set ledger.replicas to 1." (int .Values.ledger.replicas)) -}}
{{- end -}}
{{- if and (eq .Values.weights.cache.kind "Claim") (not .Values.weights.cache.claim) -}}
{{- fail "weights.cache.kind is Claim, but weights.cache.claim is empty. Name the PersistentVolumeClaim that exists in each Specialist's namespace." -}}
{{- end -}}
{{- if and .Values.router.podDisruptionBudget.enabled (gt (int .Values.router.replicas) 1) (ge (int .Values.router.podDisruptionBudget.minAvailable) (int .Values.router.replicas)) -}}
{{- fail (printf "router.podDisruptionBudget.minAvailable is %d, but router.replicas is %d: no node could ever be drained. Set minAvailable to at most %d." (int .Values.router.podDisruptionBudget.minAvailable) (int .Values.router.replicas) (int (sub .Values.router.replicas 1))) -}}
{{- end -}}
{{- end }}

{{/* The volume that keeps files and batches; nothing when several pods would have no volume in common. */}}
{{- define "tierwise.filesVolume" -}}
{{- $files := .Values.router.files }}
{{- if $files.enabled }}
{{- if $files.volume }}
{{- toYaml $files.volume }}
{{- else if or $files.claim.existing $files.claim.create }}
persistentVolumeClaim:
  claimName: {{ $files.claim.existing | default "tierwise-router-files" }}
{{- else if le (int .Values.router.replicas) 1 }}
emptyDir:
  sizeLimit: {{ $files.sizeLimit }}
{{- end }}
{{- end }}
{{- end }}
