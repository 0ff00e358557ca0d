{{- /* A value as its setting is written. YAML's numbers come as floats, which would print 1e+06. */ -}}
{{- define "stripeline.text" -}}
{{- if kindIs "float64" . }}{{ int64 . }}{{ else }}{{ . }}{{ end }}
{{- end }}

{{- /* The partition count, and the prefix, of the release. Takes the root. */ -}}
{{- define "stripeline.partitions" -}}
{{- include "stripeline.text" (.Values.config.STRIPELINE_PARTITIONS | default (include "stripeline.defaultPartitions" .)) }}
{{- end }}
{{- define "stripeline.prefix" -}}
{{- .Values.config.STRIPELINE_TOPIC_PREFIX | default (include "stripeline.defaultPrefix" .) }}
{{- end }}

{{- /*
The settings of a role as a map of variables: what the chart chooses, `config`, the role's own `config`.
A setting named after another role (STRIPELINE_INGEST_…) is left out, so that a change of it restarts that role only.
Takes root, role, values.
*/ -}}
{{- define "stripeline.config" -}}
{{- $config := dict "STRIPELINE_ADMIN_HOST" "0.0.0.0" }}
{{- if eq .role "console" }}
{{- $_ := set $config "STRIPELINE_CONSOLE_HOST" "0.0.0.0" }}
{{- if not (include "stripeline.sharesStore" .root) }}
{{- $_ := set $config "STRIPELINE_CONSOLE_STORE" "/var/lib/stripeline/console.db" }}
{{- end }}
{{- end }}
{{- if and (has .role (list "router" "executor")) (not .values.autoscaling.enabled) }}
{{- /* A static member keeps its partitions while it restarts: its session must be longer than a restart takes. */}}
{{- $_ := set $config "STRIPELINE_SESSION_TIMEOUT" "60s" }}
{{- end }}
{{- if and (has .role (list "router" "executor")) (ne .values.states.volume "none") }}
{{- $_ := set $config "STRIPELINE_WORKER_STATE_DIR" "/var/lib/stripeline" }}
{{- end }}
{{- $config = mergeOverwrite $config (deepCopy .root.Values.config) (deepCopy .values.config) }}
{{- $role := .role }}
{{- range $name, $value := $config }}
{{- $other := false }}
{{- range $prefixed := list "ingest" "executor" "console" }}
{{- if and (ne $prefixed $role) (hasPrefix (printf "STRIPELINE_%s_" (upper $prefixed)) $name) }}{{ $other = true }}{{ end }}
{{- end }}
{{- if not (or $other (kindIs "invalid" $value) (eq (toString $value) "")) }}
{{ $name }}: {{ include "stripeline.text" $value | quote }}
{{- end }}
{{- end }}
{{- end }}

{{- /* The secrets of a role: a map of variables to {name, key, volume}. Takes root, role, values. */ -}}
{{- define "stripeline.secrets" -}}
{{- $given := mergeOverwrite (deepCopy .root.Values.secrets) (deepCopy .values.secrets) }}
{{- $role := .role }}
{{- $existing := .root.Values.existingSecret }}
{{- range $name, $readers := fromYaml (include "stripeline.secretReaders" .) }}
{{- if and (has $role $readers) (hasKey $given $name) }}
{{- $one := get $given $name }}
{{ $name }}:
  name: {{ $one.name | default $existing | quote }}
  key: {{ $one.key | default $name | quote }}
  volume: {{ include "stripeline.volume" $name }}
{{- end }}
{{- end }}
{{- end }}

{{- define "stripeline.volume" -}}
{{ . | trimPrefix "STRIPELINE_" | lower | replace "_" "-" }}
{{- end }}

{{- /* The files of a role: a map of variables to {secret or configMap, key, volume}. Takes root, role, values. */ -}}
{{- define "stripeline.files" -}}
{{- $given := mergeOverwrite (deepCopy .root.Values.files) (deepCopy .values.files) }}
{{- $role := .role }}
{{- range $name, $readers := fromYaml (include "stripeline.fileReaders" .) }}
{{- if and (has $role $readers) (hasKey $given $name) }}
{{- $one := get $given $name }}
{{ $name }}:
  {{- toYaml $one | nindent 2 }}
  volume: {{ include "stripeline.volume" $name }}
{{- end }}
{{- end }}
{{- end }}

{{- define "stripeline.env" -}}
{{- range $name, $value := fromYaml (include "stripeline.config" .) }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- if and (has .role (list "router" "executor")) (not .values.autoscaling.enabled) }}
# Static membership: a pod that restarts keeps its partitions. Where pods come and go by themselves, one that goes for
# good would keep them until its session ends.
- name: STRIPELINE_INSTANCE_ID
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
{{- end }}
{{- /* As files: a variable shows in whatever prints an environment, such as a crash report. */}}
{{- range $name, $one := fromYaml (include "stripeline.secrets" .) }}
- name: {{ $name }}_FILE
  value: /etc/stripeline/{{ $one.volume }}/{{ $one.key }}
{{- end }}
{{- range $name, $one := fromYaml (include "stripeline.files" .) }}
- name: {{ $name }}
  value: /etc/stripeline/{{ $one.volume }}/{{ $one.key }}
{{- end }}
{{- with .values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* A mounted folder follows its Secret when that changes; a subPath would not. */ -}}
{{- define "stripeline.fileMounts" -}}
{{- range $one := merge (fromYaml (include "stripeline.files" .)) (fromYaml (include "stripeline.secrets" .)) }}
- name: {{ $one.volume }}
  mountPath: /etc/stripeline/{{ $one.volume }}
  readOnly: true
{{- end }}
{{- end }}

{{- /* A Secret or a key that is missing keeps the pod from starting, with an event that names it. */ -}}
{{- define "stripeline.fileVolumes" -}}
{{- range $one := merge (fromYaml (include "stripeline.files" .)) (fromYaml (include "stripeline.secrets" .)) }}
- name: {{ $one.volume }}
  {{- if $one.configMap }}
  configMap:
    name: {{ $one.configMap }}
  {{- else }}
  secret:
    secretName: {{ $one.secret | default $one.name }}
  {{- end }}
    defaultMode: 0440
    items:
      - key: {{ $one.key }}
        path: {{ $one.key }}
{{- end }}
{{- end }}

{{- /*
The versions of the Secrets that a pod reads when it starts: a changed one rolls the pods at the next upgrade.
The version and not a checksum, since that of a password could be guessed by those who may read pods but no Secrets.
*/ -}}
{{- define "stripeline.secretVersions" -}}
{{- $root := .root }}
{{- $versions := list }}
{{- $names := list }}
{{- range $one := fromYaml (include "stripeline.secrets" .) }}{{ $names = append $names $one.name }}{{ end }}
{{- range $name := uniq $names }}
{{- with lookup "v1" "Secret" $root.Release.Namespace $name }}
{{- $versions = append $versions (printf "%s=%s" $name .metadata.resourceVersion) }}
{{- end }}
{{- end }}
{{- join "," $versions }}
{{- end }}
