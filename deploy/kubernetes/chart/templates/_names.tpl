{{- define "stripeline.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 30 | trimSuffix "-" }}
{{- end }}

{{- /* At most 40 characters: a StatefulSet's name is a label of its pods with 11 more, and a label has 63. */ -}}
{{- define "stripeline.fullname" -}}
{{- $name := include "stripeline.name" . }}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "stripeline.image" -}}
{{- $tag := .Values.image.tag | default .Chart.AppVersion }}
{{- if .Values.image.digest }}{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else }}{{ .Values.image.repository }}:{{ $tag }}
{{- end }}
{{- end }}

{{- /* Of a release: of all its pods. Takes the root. */ -}}
{{- define "stripeline.releaseSelector" -}}
app.kubernetes.io/name: {{ include "stripeline.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- /* Of one role's pods. Takes root and role. */ -}}
{{- define "stripeline.selector" -}}
{{ include "stripeline.releaseSelector" .root }}
app.kubernetes.io/component: {{ .role }}
{{- end }}

{{- define "stripeline.labels" -}}
{{ include "stripeline.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "stripeline.serviceAccountName" -}}
{{- if .values.serviceAccount.name }}{{ .values.serviceAccount.name }}
{{- else if .root.Values.serviceAccount.create }}{{ include "stripeline.fullname" .root }}-{{ .role }}
{{- else }}default
{{- end }}
{{- end }}

{{- /* Whether more than one pod of a role may run, so that one of them may be evicted. Takes the values of the role. */ -}}
{{- define "stripeline.isMany" -}}
{{- if dig "autoscaling" "enabled" false . }}{{ if gt (int .autoscaling.maxReplicas) 1 }}true{{ end }}
{{- else if gt (int .replicas) 1 }}true
{{- end }}
{{- end }}
