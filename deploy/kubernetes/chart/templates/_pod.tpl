{{- /*
The template of a role's pods. Takes root, role, values (of the role) and what differs:
args; ports: a map of names to numbers; served: whether it answers probes; preStopSeconds; mounts, volumes: YAML lists.
*/ -}}
{{- define "stripeline.podTemplate" -}}
metadata:
  labels:
    {{- /* Not the chart's version: a new chart restarts only what it changes. */}}
    {{- include "stripeline.selector" . | nindent 4 }}
    {{- with mergeOverwrite (deepCopy .root.Values.commonLabels) (deepCopy .root.Values.podLabels) (deepCopy .values.podLabels) }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- $annotations := mergeOverwrite (deepCopy .root.Values.podAnnotations) (deepCopy .values.podAnnotations) }}
  {{- with include "stripeline.secretVersions" . }}
  {{- $annotations = set $annotations "stripeline/secret-versions" . }}
  {{- end }}
  {{- with $annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- include "stripeline.podSpec" . | nindent 2 }}
{{- end }}

{{- define "stripeline.podSpec" -}}
serviceAccountName: {{ include "stripeline.serviceAccountName" (dict "root" .root "values" .values "role" (.account | default .role)) }}
{{- /* No process asks the API server. A token that a cloud's webhook adds for IAM is another one. */}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml .root.Values.podSecurityContext | nindent 2 }}
{{- if .served }}
{{- /* A process ends within 30 s of SIGTERM, and must not be killed before: a call to Stripe would be repeated. */}}
terminationGracePeriodSeconds: {{ add (int .root.Values.terminationGracePeriodSeconds) (int .preStopSeconds) }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .served }}
topologySpreadConstraints:
  {{- if .values.topologySpreadConstraints }}
  {{- toYaml .values.topologySpreadConstraints | nindent 2 }}
  {{- else }}
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "stripeline.selector" $ | nindent 8 }}
  {{- end }}
  {{- end }}
{{- end }}
{{- with .initContainers }}
initContainers:
  {{- . | nindent 2 }}
{{- end }}
containers:
  {{- include "stripeline.container" . | nindent 2 }}
{{- $volumes := compact (list (trim (include "stripeline.fileVolumes" .)) (.volumes | default "") (.values.extraVolumes | empty | ternary "" (toYaml .values.extraVolumes))) }}
{{- with $volumes }}
volumes:
  {{- join "\n" . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "stripeline.container" -}}
- name: {{ .container | default .role }}
  image: {{ include "stripeline.image" .root }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  args:
    {{- toYaml .args | nindent 4 }}
  env:
    {{- include "stripeline.env" . | trim | nindent 4 }}
  {{- with .ports }}
  ports:
    {{- range $name, $port := . }}
    - name: {{ $name }}
      containerPort: {{ $port }}
    {{- end }}
  {{- end }}
  {{- if .served }}
  {{- /*
  Liveness begins after the first answer: under a low CPU limit Python takes a while to start. It asks /healthz, never
  /readyz: while Kafka is away, or a task is restored, a restart would cost the state and change nothing.
  */}}
  startupProbe:
    httpGet: {path: /healthz, port: admin}
    periodSeconds: 2
    timeoutSeconds: 5
    failureThreshold: 150
  livenessProbe:
    httpGet: {path: /healthz, port: admin}
    periodSeconds: 10
    timeoutSeconds: 5
    failureThreshold: 9
  readinessProbe:
    httpGet: {path: /readyz, port: admin}
    periodSeconds: 5
    timeoutSeconds: 2
    failureThreshold: 2
  {{- end }}
  {{- if .preStopSeconds }}
  lifecycle:
    preStop:
      # Until every node has taken the pod out of the Service, deliveries still come: they are answered.
      sleep:
        seconds: {{ .preStopSeconds }}
  {{- end }}
  resources:
    {{- toYaml .values.resources | nindent 4 }}
  securityContext:
    {{- toYaml .root.Values.containerSecurityContext | nindent 4 }}
  {{- $mounts := compact (list (trim (include "stripeline.fileMounts" .)) (.mounts | default "") (.values.extraVolumeMounts | empty | ternary "" (toYaml .values.extraVolumeMounts))) }}
  {{- with $mounts }}
  volumeMounts:
    {{- join "\n" . | nindent 4 }}
  {{- end }}
{{- end }}
