{{- /* Written by `make docs` from deploy/settings/settings.py: not by hand. */ -}}
{{- define "stripeline.secretReaders" }}
STRIPELINE_KAFKA_SASL_PASSWORD: [ingest, router, executor, console, topics]
STRIPELINE_KAFKA_KEY_PASSWORD: [ingest, router, executor, console, topics]
STRIPELINE_KAFKA_OAUTH_CLIENT_SECRET: [ingest, router, executor, console, topics]
STRIPELINE_MASTER_KEY: [ingest, executor]
STRIPELINE_STRIPE_PROXY: [executor]
STRIPELINE_CONSOLE_PROXY_SECRET: [console]
STRIPELINE_CONSOLE_STORE: [console]
{{- end }}
{{- define "stripeline.fileReaders" }}
STRIPELINE_KAFKA_CA_FILE: [ingest, router, executor, console, topics]
STRIPELINE_KAFKA_CERT_FILE: [ingest, router, executor, console, topics]
STRIPELINE_KAFKA_KEY_FILE: [ingest, router, executor, console, topics]
STRIPELINE_KAFKA_OAUTH_CA_FILE: [ingest, router, executor, console, topics]
STRIPELINE_STRIPE_CA_FILE: [executor]
STRIPELINE_CONSOLE_TOKENS_FILE: [console]
{{- end }}
{{- define "stripeline.defaultPartitions" }}8{{ end }}
{{- define "stripeline.defaultPrefix" }}stripe.{{ end }}
