"""Values of the chart that its tests render: each optional piece, and all of them together."""

from tests.support.chart import Values, with_values

STRIMZI_USER = {"name": "stripeline-router", "key": "password"}
PIECES: dict[str, Values] = {
    "no console": {"console": {"enabled": False}},
    "ingest alone": {"router": {"enabled": False}, "executor": {"enabled": False}, "console": {"enabled": False}},
    "one of each": {"ingest": {"replicas": 1}, "router": {"replicas": 1}, "executor": {"replicas": 1}},
    "as many as partitions": {
        "config": {"STRIPELINE_PARTITIONS": 96},
        "router": {"replicas": 96},
        "executor": {"replicas": 96},
    },
    "digest": {"image": {"repository": "registry.example.com/stripeline", "digest": f"sha256:{'a' * 64}"}},
    "pull secrets": {"imagePullSecrets": [{"name": "registry"}]},
    "ingress": {
        "ingest": {
            "ingress": {"enabled": True, "host": "hooks.example.com", "tlsSecret": "hooks-tls", "className": "nginx"}
        },
        "console": {"ingress": {"enabled": True, "host": "console.example.com"}},
    },
    "autoscaling": {
        "prometheusAddress": "http://prometheus.monitoring:9090",
        "ingest": {"autoscaling": {"enabled": True}},
        "router": {"autoscaling": {"enabled": True, "maxReplicas": 8}},
        "executor": {"autoscaling": {"enabled": True, "minReplicas": 2, "matchers": 'job="stripeline"'}},
    },
    "monitoring": {
        "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "prometheusRule": {"enabled": True},
    },
    "network policy": {
        "networkPolicy": {
            "enabled": True,
            "adminFrom": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}],
            "ingestFrom": [{"podSelector": {}}],
            "kafka": {"ports": [9093], "to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]},
            "extraEgress": [{"ports": [{"port": 8443, "protocol": "TCP"}]}],
            "consoleExtraEgress": [{"ports": [{"port": 5432, "protocol": "TCP"}]}],
        }
    },
    "scram": {
        "config": {
            "STRIPELINE_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "STRIPELINE_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
            "STRIPELINE_KAFKA_SASL_USERNAME": "stripeline",
        },
        "secrets": {"STRIPELINE_KAFKA_SASL_PASSWORD": {}},
        "router": {"config": {"STRIPELINE_KAFKA_SASL_USERNAME": "stripeline-router"},
                   "secrets": {"STRIPELINE_KAFKA_SASL_PASSWORD": STRIMZI_USER}},
        "files": {"STRIPELINE_KAFKA_CA_FILE": {"secret": "kafka-cluster-ca-cert", "key": "ca.crt"}},
    },
    "mutual tls": {
        "config": {"STRIPELINE_KAFKA_SECURITY_PROTOCOL": "SSL"},
        "files": {
            "STRIPELINE_KAFKA_CA_FILE": {"configMap": "ca", "key": "ca.crt"},
            "STRIPELINE_KAFKA_CERT_FILE": {"secret": "stripeline-user", "key": "user.crt"},
            "STRIPELINE_KAFKA_KEY_FILE": {"secret": "stripeline-user", "key": "user.key"},
        },
    },
    "msk": {
        "config": {
            "STRIPELINE_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "STRIPELINE_KAFKA_SASL_MECHANISM": "AWS_MSK_IAM",
            "STRIPELINE_KAFKA_AWS_REGION": "eu-central-1",
        },
        "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/stripeline"}},
        "topics": {"serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/topics"}}},
    },
    "existing accounts": {"serviceAccount": {"create": False}, "executor": {"serviceAccount": {"name": "mine"}}},
    "states in pods": {role: {"states": {"volume": "pod"}} for role in ("router", "executor")},
    "states on volumes": {
        role: {"states": {"volume": "claim", "storageClass": "fast", "size": "9Gi"}} for role in ("router", "executor")
    },
    "console on a volume": {"console": {"persistence": {"enabled": True, "storageClass": "fast"}}},
    "console in PostgreSQL": {
        "console": {
            "replicas": 2,
            "config": {"STRIPELINE_CONSOLE_AUTH": "proxy", "STRIPELINE_CONSOLE_TRUSTED_PROXIES": "10.0.0.7"},
            "secrets": {
                "STRIPELINE_CONSOLE_STORE": {"name": "console-database", "key": "uri"},
                "STRIPELINE_CONSOLE_PROXY_SECRET": {},
            },
        }
    },
    "topics made elsewhere": {"topics": {"enabled": False}},
    "a moved installation": {"topics": {"installation": "ab12"}},
    "scheduling": {
        role: {
            "nodeSelector": {"disk": "ssd"},
            "tolerations": [{"key": "dedicated", "operator": "Exists"}],
            "priorityClassName": "high",
            "podAnnotations": {"team": "payments"},
            "podLabels": {"team": "payments"},
            "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
            "extraVolumes": [{"name": "more", "emptyDir": {}}],
            "extraVolumeMounts": [{"name": "more", "mountPath": "/more"}],
        }
        for role in ("ingest", "router", "executor", "console", "topics")
    },
    "extra objects": {
        "extraObjects": [
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-more"}, "data": {}}
        ]
    },
}  # fmt: skip
"""What differs from the minimal values, by what it is about."""

ALONE = frozenset({"no console", "ingest alone", "one of each", "console in PostgreSQL", "mutual tls", "msk",
                   "topics made elsewhere", "existing accounts"})  # fmt: skip
"""Pieces that exclude others."""
PRODUCTION = with_values(*(values for name, values in PIECES.items() if name not in ALONE))
EVERY = {"minimal": with_values(), **{name: with_values(values) for name, values in PIECES.items()}, "all": PRODUCTION}
"""Everything that is rendered."""
