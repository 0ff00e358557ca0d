"""The words of what an operator looks after: topics, and who signs in. The rules are those of `vocabulary.py`. Pure."""

from enum import StrEnum


class TopicProblemKind(StrEnum):
    """What is wrong with a topic, or with Kafka itself: the label `kind` of `stripeline_topic_problems`."""

    MISSING = "missing"
    TOO_FEW_PARTITIONS = "too_few_partitions"
    UNREAD_PARTITIONS = "unread_partitions"  # more than its prefix has: nobody reads the others
    SETTING = "wrong_setting"
    REPLICATION = "replication"  # fewer replicas than a production topic needs
    TAKES_NOTHING = "takes_nothing"  # min.insync.replicas is above its replicas
    RECREATED = "recreated"  # deleted and created again while the process ran
    FORMER_TIER = "former_tier"  # commands wait in the topic of a tier that was taken away
    DENIED = "may_not_be_seen"  # by this user
    BROKER = "broker_setting"  # a limit of Kafka's below ours
    INSTALLATION = "installation"  # its record is missing, or of another format


class SignInRefusal(StrEnum):
    """Why the console let somebody not in: the label `reason` of its metric."""

    WRONG_TOKEN = "wrong_token"  # noqa: S105  (a reason)
    WRONG_LINK = "wrong_link"  # used, too old, or never made
    TOO_MANY = "too_many"  # attempts of an address, or in total
    CROSS_SITE = "cross_site"  # a POST that no page of the console made
    UNTRUSTED_PEER = "untrusted_peer"  # it is no proxy that is trusted
    WRONG_SECRET = "wrong_secret"  # noqa: S105  (of the proxy)
    BAD_USER = "bad_user"  # the proxy named none, several, or one that can't be shown
    NO_ROLE = "no_role"  # for the user's groups
