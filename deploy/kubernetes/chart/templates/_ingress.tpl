{{- /* Takes pod, ingress (its values), path, port (of the Service named after the role). */ -}}
{{- define "stripeline.ingress" -}}
{{- $service := printf "%s-%s" (include "stripeline.fullname" .pod.root) .pod.role }}
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {{ $service }}
  labels:
    {{- include "stripeline.labels" .pod | nindent 4 }}
  {{- with .ingress.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with .ingress.className }}
  ingressClassName: {{ . }}
  {{- end }}
  {{- if .ingress.tlsSecret }}
  tls:
    - hosts: [{{ .ingress.host | quote }}]
      secretName: {{ .ingress.tlsSecret }}
  {{- end }}
  rules:
    - host: {{ .ingress.host | quote }}
      http:
        paths:
          - path: {{ .path }}
            pathType: Prefix
            backend:
              service: {name: {{ $service }}, port: {number: {{ .port }}}}
{{- end }}
