{{- /* What the schema of the values can't say, since it compares no two values. Each failure says what to set. */ -}}
{{- define "stripeline.checks" -}}
{{- include "stripeline.checkWorkers" . }}
{{- include "stripeline.checkSecrets" . }}
{{- include "stripeline.checkConsole" . }}
{{- include "stripeline.checkTopics" . }}
{{- end }}

{{- define "stripeline.checkWorkers" -}}
{{- $partitions := int (include "stripeline.partitions" .) }}
{{- range $role := list "router" "executor" }}
{{- $values := get $.Values $role }}
{{- $scaling := $values.autoscaling }}
{{- $key := ternary "autoscaling.maxReplicas" "replicas" $scaling.enabled }}
{{- $count := int (ternary $scaling.maxReplicas $values.replicas $scaling.enabled) }}
{{- if gt $count $partitions }}
{{- fail (printf "\n\n%s.%s is %d, but there are %d partitions (config.STRIPELINE_PARTITIONS): the others would have no work. Set at most %d." $role $key $count $partitions $partitions) }}
{{- end }}
{{- if and $scaling.enabled (gt (int $scaling.minReplicas) (int $scaling.maxReplicas)) }}
{{- fail (printf "\n\n%s.autoscaling.minReplicas is above maxReplicas." $role) }}
{{- end }}
{{- if and $scaling.enabled (not $.Values.prometheusAddress) }}
{{- fail (printf "\n\n%s.autoscaling needs prometheusAddress: KEDA asks Prometheus how much waits, such as http://prometheus.monitoring:9090." $role) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "stripeline.checkSecrets" -}}
{{- if not .Values.config.KAFKA_BOOTSTRAP_SERVERS }}
{{- fail "\n\nSet config.KAFKA_BOOTSTRAP_SERVERS to Kafka's addresses: host:port, separated by commas." }}
{{- end }}
{{- range $role := list "ingest" "router" "executor" "console" "topics" }}
{{- $values := get $.Values $role }}
{{- $secrets := fromYaml (include "stripeline.secrets" (dict "root" $ "role" $role "values" $values)) }}
{{- if and $values.enabled (has $role (list "ingest" "executor")) (not (hasKey $secrets "STRIPELINE_MASTER_KEY")) }}
{{- fail (printf "\n\n%s needs secrets.STRIPELINE_MASTER_KEY." $role) }}
{{- end }}
{{- range $name, $one := $secrets }}
{{- if and $values.enabled (not $one.name) }}
{{- fail (printf "\n\n%s needs %s. Make a Secret with that key, and set existingSecret to its name:\nkubectl create secret generic stripeline --from-literal=STRIPELINE_MASTER_KEY=\"$(stripeline settings new-master-key)\"\nKeep a copy of the master key elsewhere: without it nobody can read the secrets on the control topic." $role $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "stripeline.consoleConfig" -}}
{{- include "stripeline.config" (dict "root" . "role" "console" "values" .Values.console) }}
{{- end }}

{{- define "stripeline.sharesStore" -}}
{{- if hasKey (mergeOverwrite (deepCopy .Values.secrets) (deepCopy .Values.console.secrets)) "STRIPELINE_CONSOLE_STORE" }}true{{ end }}
{{- end }}

{{- define "stripeline.checkConsole" -}}
{{- with .Values.console }}
{{- if .enabled }}
{{- $config := fromYaml (include "stripeline.consoleConfig" $) }}
{{- $files := mergeOverwrite (deepCopy $.Values.files) (deepCopy .files) }}
{{- $auth := get $config "STRIPELINE_CONSOLE_AUTH" }}
{{- if not $auth }}
{{- fail "\n\nSay how people sign in to the console: console.config.STRIPELINE_CONSOLE_AUTH is token or proxy. Or set console.enabled=false." }}
{{- end }}
{{- if and (eq $auth "token") (not (hasKey $files "STRIPELINE_CONSOLE_TOKENS_FILE")) }}
{{- fail "\n\nSet console.files.STRIPELINE_CONSOLE_TOKENS_FILE: {secret: NAME, key: KEY}, a Secret with the file that `stripeline console-token` writes." }}
{{- end }}
{{- if and (eq $auth "proxy") (not (get $config "STRIPELINE_CONSOLE_TRUSTED_PROXIES")) }}
{{- fail "\n\nSet console.config.STRIPELINE_CONSOLE_TRUSTED_PROXIES: the addresses of the proxy that signs people in." }}
{{- end }}
{{- if and .persistence.enabled (include "stripeline.sharesStore" $) }}
{{- fail "\n\nThe console's index is in console.persistence, or in PostgreSQL (STRIPELINE_CONSOLE_STORE), not in both." }}
{{- end }}
{{- if and .persistence.enabled (gt (int .replicas) 1) }}
{{- fail "\n\nA console with console.persistence has one replica: its file is for one process. For more, leave persistence off, or use PostgreSQL (STRIPELINE_CONSOLE_STORE)." }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Keys that move to another partition lose their order and their state, so both are for ever. */ -}}
{{- define "stripeline.checkTopics" -}}
{{- $name := printf "%s-topics" (include "stripeline.fullname" .) }}
{{- $kept := lookup "v1" "ConfigMap" .Release.Namespace $name }}
{{- if $kept }}
{{- $now := dict "partitions" (include "stripeline.partitions" .) "prefix" (include "stripeline.prefix" .) }}
{{- range $key, $setting := dict "partitions" "STRIPELINE_PARTITIONS" "prefix" "STRIPELINE_TOPIC_PREFIX" }}
{{- $was := get $kept.data $key }}
{{- if ne $was (get $now $key) }}
{{- fail (printf "\n\nconfig.%s is %q, but the topics of this release have %q, and neither partitions nor prefix change: keys that move to another partition lose their order and their state. Set it back. For more partitions install another release with another prefix beside this one. Where the topics were deleted, delete the ConfigMap %s, too." $setting (get $now $key) $was $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
