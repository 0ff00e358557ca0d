"""The words of ingest: what becomes of a delivery, and why. The rules are those of `vocabulary.py`. Pure."""

from enum import StrEnum


class DeliveryVerdict(StrEnum):
    """What becomes of a delivery: the label `verdict` of `stripeline_deliveries_total`."""

    PUBLISHED = "published"  # 200, and Kafka has it
    IGNORED = "ignored"  # 200, and not published
    REFUSED = "refused"  # 4xx
    NOT_TAKEN = "not_taken"  # 503: Stripe sends it again


class RefusalReason(StrEnum):
    """Why a request is answered with an error before its signature is checked, or because ingest can't take it."""

    UNKNOWN_PATH = "unknown_path"
    UNKNOWN_TRIGGER = "unknown_trigger"
    METHOD = "method"
    CONTENT_ENCODING = "content_encoding"
    CONTENT_TYPE = "content_type"
    TOO_LARGE = "too_large"
    SLOW_BODY = "slow_body"
    CUT_OFF = "cut_off"
    NOT_HTTP = "not_http"
    TWO_SIGNATURES = "two_signatures"
    FAILED = "failed"  # a fault of Stripeline
    NO_SECRET = "no_secret"  # noqa: S105  the path has no signing secret
    SEALED_SECRET = "sealed_secret"  # noqa: S105  this process does not hold the master key of a signing secret
    NOT_TAKEN = "not_taken"
    BUSY = "busy"  # the bodies that are being read fill the memory that they may take


class SignatureReason(StrEnum):
    """Why a signature is refused: for metrics. The client gets one text for all of them."""

    MISSING = "missing"
    TOO_LONG = "too_long"
    TOO_MANY_ITEMS = "too_many_items"
    NOT_ASCII = "not_ascii"
    BAD_TIMESTAMP = "bad_timestamp"
    NO_SIGNATURE = "no_signature"
    MISMATCH = "mismatch"
    TOO_OLD = "too_old"
    IN_THE_FUTURE = "in_the_future"


class EventReason(StrEnum):
    """Why a signed body is no event that its trigger takes."""

    NOT_JSON = "not_json"
    NOT_AN_EVENT = "not_an_event"
    BAD_ID = "bad_id"
    BAD_TYPE = "bad_type"
    BAD_CREATED = "bad_created"
    BAD_LIVEMODE = "bad_livemode"
    BAD_API_VERSION = "bad_api_version"
    BAD_REQUEST = "bad_request"
    BAD_ACCOUNT = "bad_account"
    BAD_DATA = "bad_data"
    WRONG_MODE = "wrong_mode"
    TOO_DEEP = "too_deep"
    NO_TRIGGER = "no_trigger"  # a trigger of the endpoint is not defined: it might take the event
    THIN_EVENT = "thin_event"  # it names its object, and has no data


class IgnoredReason(StrEnum):
    """Why a genuine event is answered 200 and not published."""

    OTHER_FAMILY = "other_family"
    WRONG_MODE = "wrong_mode"  # a test event at a live Connect endpoint, which gets those too
    PING = "ping"  # Stripe tries a destination of thin events


class NotTakenReason(StrEnum):
    """Why Kafka does not have a record, as far as ingest knows."""

    AWAY = "kafka_away"
    FULL = "too_many_in_flight"
    LATE = "deadline"
    UNAVAILABLE = "partition_unavailable"  # its leader, or in-sync replicas, are missing
    NO_TOPIC = "no_topic"
    NOT_ALLOWED = "not_authorised"
    TOO_LARGE = "too_large"
    FAILED = "failed"


class ClosedReason(StrEnum):
    """Why ingest closed a connection: the label `reason` of `stripeline_connections_closed_total`."""

    NOT_HTTP = "not_http"
    STALLED = "stalled"  # a head that did not arrive in time
    TOO_MANY = "too_many"
    UNREAD = "unread"  # a client that reads no answers


class SweepKind(StrEnum):
    """Which look at an event it is: the label `window` of the sweeps' metrics."""

    SETTLE = "settle"  # soon after it was created
    CLOSE = "close"  # for the last time, when Stripe has given up


class SweepTrouble(StrEnum):
    """Why a connection's events were not compared with Stripe's list: the label `reason` of its metric."""

    NO_KEY = "no_key"  # this process can't open it
    NOT_ALLOWED = "not_allowed"  # Stripe lets the key list no events
    NO_ANSWER = "no_answer"  # none of Stripe's that is of use
    KAFKA = "kafka"
    TOO_OLD = "too_old"  # Stripe does not list them any more
    FAILED = "failed"  # a fault of Stripeline
