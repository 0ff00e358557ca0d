"""The words of the product: every verdict, reason, code, label value and log event that has a name. Pure.

What scripts, dashboards, alerts and other teams compare is spelled here and nowhere else. Each enum is a StrEnum, so a
member is its text in JSON, in a header, in a log line and as a metric's label. A word that was published stays: a new
meaning gets a new word. `docs/glossary.md` has the terms of the product.
The words of ingest are in `deliveries/delivery_vocabulary.py`, those of topics and sign-in in
`operator/operator_vocabulary.py`.
"""

from enum import StrEnum
from typing import Final


class Verdict(StrEnum):
    """What becomes of a record that a worker takes: the label `verdict` of `stripeline_records_total`."""

    # The router, of an event
    STARTED = "started"  # at least one run
    NO_RUN = "no_run"  # no workflow matches, or its run is known
    OWN_EFFECT = "own_effect"  # every workflow that matches led to it, and is not started again
    HOP_LIMIT = "hop_limit"  # a workflow matches, and too many of our effects led to the event
    WHERE_MISSING = "where_missing"  # every workflow that matches has a `where` over a field that the event lacks
    PAUSED = "paused"  # every workflow that matches is paused
    LATE = "late"  # every workflow that matches skips events that were found later
    # The router, of a result
    ADVANCED = "advanced"  # the next step's command is sent
    STOPPED = "stopped"  # the run waits for a person
    # The router, of an act
    CANCELLED = "cancelled"  # the run gets no more steps
    ACT_REFUSED = "act_refused"  # the run does not allow it, and says why
    ERASED = "erased"  # the run is known, without its event, inputs and outputs
    # The executor, of a command
    FAILED = "failed"
    INDETERMINATE = "indeterminate"
    RETRIED = "retried"  # into a tier, as the head of its key's queue
    HELD = "held"  # into a tier, behind the head of its key's queue
    KNOWN = "known"  # a repetition of a command that was taken
    SETTLED = "settled"  # a webhook's object decided an unknown outcome
    ID_REUSED = "id_reused"  # a known id that asks for something else
    NOT_OF_A_RUN = "not_of_a_run"  # its connection takes only commands of runs
    WITHDRAWN = "withdrawn"  # its run was cancelled, and it ends without an attempt
    # The executor, of a thin event
    PUBLISHED = "published"  # what it names, on its family's topic
    UNPUBLISHED = "unpublished"  # a dead letter: what it names can't be published
    # Either
    SUCCEEDED = "succeeded"  # the run, or the command
    UNRELATED = "unrelated"  # a result of no waiting run, or a webhook's object of no waiting command
    UNREADABLE = "unreadable"  # not of its contract
    BROKEN = "broken"  # a fault of Stripeline
    SKIPPED = "skipped"  # a batch that no client can read, and a person skipped
    LOST = "lost"  # offsets that Kafka removed before they were read
    CUT_SHORT = "cut_short"  # only on a span: the next owner of the partition takes the record again


class UnstartedReason(StrEnum):
    """Why an event of a workflow's types starts no run: the label `reason` of `stripeline_runs_not_started_total`."""

    OWN_EFFECT = "own_effect"  # a run of this workflow led to it
    HOP_LIMIT = "hop_limit"  # too many of our effects led to it
    WHERE_MISSING = "where_missing"  # `where` asks for what the event lacks
    PAUSED = "paused"  # the workflow is paused
    LATE = "late"  # it was missed and found later, and the workflow skips such events


class DeadLetterReason(StrEnum):
    """Why a record is on the dead-letter topic: the header `stripeline-reason`. Other teams compare it."""

    UNREADABLE = "unreadable"  # not of its contract
    ID_REUSED = "id_reused"  # a known id that asks for something else
    NOT_OF_A_RUN = "not_of_a_run"  # its connection takes only commands of runs, and no run waits for it
    EXHAUSTED = "exhausted"  # retryable, and every attempt was made
    KEY_REFUSED = "key_refused"  # Stripe refuses the connection's key, or its permission
    INDETERMINATE = "indeterminate"  # it may have been done, and was not found at Stripe
    PAST_HORIZON = "past_horizon"  # the same, and too old to be attempted
    EVENT_TOO_OLD = "event_too_old"  # never attempted: its event came when it was older than what is remembered
    ACCOUNT_CHANGED = "account_changed"  # the connection's key is of another account or mode than the command's
    SUBJECT_UNKNOWN = "subject_unknown"  # of a thin event: its object is gone, and nothing says whose it was
    INTERNAL_ERROR = "internal_error"  # a fault of Stripeline
    UNREADABLE_BATCH = "unreadable_batch"  # a whole batch that no client can read, and a person skipped
    LOST_BY_RETENTION = "lost_by_retention"  # offsets that Kafka removed before they were read; the value is empty


class UnreadableReason(StrEnum):
    """Why no client can read a batch of records."""

    WRONG_CHECKSUM = "wrong_checksum"
    UNKNOWN_CODEC = "unknown_codec"
    NOT_DECODED = "not_decoded"  # its bytes are whole, and no records of its codec


class AuditedAct(StrEnum):
    """What a person did, or the executor to a dead letter: the field `act` of a record on the audit topic."""

    SKIP_BATCH = "skip_batch"
    PAUSE_CONNECTION = "pause_connection"
    RESUME_CONNECTION = "resume_connection"
    REPLAYED = "replayed"  # dead letters, by a person
    DISMISSED = "dismissed"  # dead letters, by a person
    SETTLED = "settled"  # a webhook or a look-up decided the command of a dead letter
    SUPERSEDED = "superseded"  # another command of its run took the place of a dead letter's command
    UNMASK_EVENTS = "unmask_events"
    ROTATE_MASTER_KEY = "rotate_master_key"
    RETRY_RUN = "retry_run"
    CANCEL_RUN = "cancel_run"
    PAUSE_WORKFLOW = "pause_workflow"
    RESUME_WORKFLOW = "resume_workflow"
    START_RUN = "start_run"
    ERASE_RUN = "erase_run"
    APPLY = "apply"  # a definition, by `stripeline apply`
    DELETE = "delete"  # a definition
    BACKFILL = "backfill"  # events that never came, by `stripeline events backfill`
    REMAKE = "remake"  # an event that Stripe failed to make, by `stripeline events remake`
    MAKE_DESTINATIONS = "make_destinations"  # at Stripe, by `stripeline endpoints apply` or `roll`


class LetterState(StrEnum):
    """What became of a dead letter: the field `state` of `dead-letters list --json`."""

    OPEN = "open"
    REPLAYED = "replayed"
    SETTLED = "settled"
    SUPERSEDED = "superseded"
    DISMISSED = "dismissed"


class RunActKind(StrEnum):
    """What a person asks the router to do with a run: the field `act` of a record on the act topic."""

    RETRY = "retry"  # the step at which it stopped, as a new command
    CANCEL = "cancel"  # no more steps
    START = "start"  # the run of an event that came when the workflow was paused, or was not there
    ERASE = "erase"  # nothing is kept of it but ids, states and times


class Code(StrEnum):
    """The card's seven codes and our own."""

    VALIDATION_ERROR = "VALIDATION_ERROR"
    AUTH_EXPIRED = "AUTH_EXPIRED"
    PAYMENT_REQUIRED = "PAYMENT_REQUIRED"
    NOT_FOUND = "NOT_FOUND"
    CONFLICT = "CONFLICT"
    RATE_LIMITED = "RATE_LIMITED"
    PROVIDER_ERROR = "PROVIDER_ERROR"
    EXPIRED = "EXPIRED"
    INDETERMINATE = "INDETERMINATE"
    ACCOUNT_CHANGED = "ACCOUNT_CHANGED"
    CANCELLED = "CANCELLED"  # withdrawn, without an attempt, because its run was cancelled
    RETRY_REFUSED = "RETRY_REFUSED"  # never begun, because the command that it was to supersede has not failed


class RunCode(StrEnum):
    """Why a run stopped that no command stopped. No result has one of these."""

    HELD_LATE = "HELD_LATE"  # its event was missed and found later, and its workflow holds such events


CODE_OK: Final = "OK"
"""The code of a success as a metric's label and on a span. No record has it: a result that succeeded has no error."""

UNKNOWN_ACTION: Final = "unknown"
"""The action of a command that names no action of this installation, as a label: its own text is another team's."""


class Fault(StrEnum):
    """A call to Stripe without a usable answer: the label `status` of `stripeline_stripe_calls_total`."""

    REFUSED = "refused"  # no connection: DNS, connection refused, TLS. Nothing was sent.
    LOST = "lost"  # a deadline, a reset or a cut body after the request may have been sent.
    UNREADABLE = "unreadable"  # an answer that is not the JSON object it should be, or is too large.


class CallKind(StrEnum):
    """What a request to Stripe is for: the label `kind` of `stripeline_stripe_calls_total`."""

    ATTEMPT = "attempt"
    LOOK_UP = "look_up"
    FETCH = "fetch"  # of what a thin event names
    PROBE = "probe"  # of a refused key
    LIST = "list"  # of events, by a sweep


class StateKind(StrEnum):
    """What a task's state holds: the label `kind` of `stripeline_task_state_entries`."""

    COMMANDS = "commands"  # known ids, the executor's
    WAITING = "waiting"  # those of them that wait in a tier
    QUEUES = "queues"  # keys that wait
    OPEN = "open"  # runs that run, the router's
    STOPPED = "stopped"  # runs that wait for a person
    FINISHED = "finished"  # runs that succeeded, or were cancelled


class WorkerEvent(StrEnum):
    """What happens to a worker: the label `event` of `stripeline_worker_events_total`, and a log event."""

    ASSIGNED = "assigned"  # partitions were assigned
    REVOKED = "revoked"  # partitions were revoked
    FENCED = "fenced"  # another member had a task's partition
    TASK_FAILED = "task_failed"  # a task was closed after an error, and reopened
    PRODUCER_EXPIRED = "producer_expired"  # Kafka forgot the producer of a task that was silent for days: reopened
    SESSION_FAILED = "session_failed"  # the membership was lost; the worker joins again
    WATCHDOG = "watchdog"  # the watchdog closed the consumer; the worker joins again


class LogEvent(StrEnum):
    """The first argument of a log call, the field `event` of a line. What varies is in the line's other fields."""

    # Ingest
    INGEST_LISTENING = "ingest_listening"
    REQUEST_FAILED = "request_failed"  # a fault of Stripeline: answered 500
    DELIVERY_REFUSED = "delivery_refused"  # one line of each trigger and reason in a while
    CONNECTION_CLOSED = "connection_closed"  # for what its client did, or did not do
    PRODUCER_CONNECTED = "producer_connected"
    PRODUCER_FAILED = "producer_failed"  # it is replaced
    PRODUCER_STALLED = "producer_stalled"  # nothing was acknowledged for too long: it is replaced
    RECORD_NOT_TAKEN = "record_not_taken"
    EVENTS_NOT_NOTED = "events_not_noted"  # on the topic of seen events; deliveries go on
    TOPIC_UNAVAILABLE = "topic_unavailable"
    PARTITIONS_TAKE_NOTHING = "partitions_take_nothing"  # deliveries for them get 503; the others go on
    PARTITIONS_TAKE_RECORDS = "partitions_take_records"  # they do again
    # Workers, beside `WorkerEvent`
    TASK_OPEN = "task_open"
    INPUT_BLOCKED = "input_blocked"  # by an open transaction of somebody else
    TOPIC_RECREATED = "topic_recreated"  # deleted and created again: it is read from its beginning
    RESTORE_WAITS = "restore_waits"  # for the end of an open transaction on the changelog
    STATE_FILE_LOADED = "state_file_loaded"  # a task begins with it, and reads the changelog from there on
    STATE_FILE_REFUSED = "state_file_refused"  # it is not proved, and deleted: all of the changelog is read
    STATE_FILE_WRITTEN = "state_file_written"
    STATE_FILE_NOT_WRITTEN = "state_file_not_written"  # the work goes on; it is tried again after a minute
    NOTICE_NOT_PUBLISHED = "notice_not_published"  # of a refused key, to the other processes; it is tried again
    LAST_COMMIT_FAILED = "last_commit_failed"  # of a task that closes: its next owner repeats
    DECISION_FAILED = "decision_failed"  # a fault of Stripeline: the record becomes a dead letter
    INPUT_HELD = "input_held"  # its reads fail, for want of a right or for a broker's disk; the others go on
    BATCH_UNREADABLE = "batch_unreadable"  # it holds its partition
    BATCH_READABLE = "batch_readable"  # a partition that was held goes on
    BATCH_SKIPPED = "batch_skipped"  # as a person asked
    OFFSETS_LOST = "offsets_lost"  # Kafka removed them before they were read
    LOG_TRUNCATED = "log_truncated"  # the log ends before what was read of it: it is read from its beginning
    COMMITS_EXPIRED = "commits_expired"  # Kafka forgot what the group had read
    CALL_LOST = "call_lost"
    PROXY_REFUSED = "proxy_refused"  # the proxy before Stripe opened no tunnel; nothing was sent
    CALL_BROKEN = "call_broken"  # a fault of Stripeline on the way to Stripe
    CLOCK_SKEW = "clock_skew"
    HOP_LIMIT = "hop_limit"  # a workflow is not started: too many of our effects led to its event
    # Definitions
    CONTROL_TABLE_STALE = "control_table_stale"  # it keeps what it has, and reads the topic again
    CONTROL_TABLE_FAILED = "control_table_failed"  # the same, after a fault of Stripeline
    DEFINITION_UNREADABLE = "definition_unreadable"  # the last good one stays
    TRIGGER_SECRETS_UNREADABLE = "trigger_secrets_unreadable"
    CONNECTION_KEY_UNREADABLE = "connection_key_unreadable"
    FOLLOWER_FAILED = "follower_failed"  # a topic read beside the inputs; it is opened again
    BRAKE_TRIPPED = "brake_tripped"  # a connection or workflow is at its limit, and is paused
    # Console
    CONSOLE_LISTENING = "console_listening"
    INDEX_MADE_AGAIN = "index_made_again"  # it is new, or of no use any more: all is read again
    INDEX_CAUGHT_UP = "index_caught_up"  # it has read all that there was when it began
    INDEX_FAILED = "index_failed"  # Kafka or the store is away: it goes on when they are back
    INDEX_GAP = "index_gap"  # a batch that no client can read: it goes on behind it
    INDEX_GAP_FILLED = "index_gap_filled"  # such a batch can be read by now, and was
    PAGE_FAILED = "page_failed"  # a fault of Stripeline: answered 500
    SIGNED_IN = "signed_in"
    SIGN_IN_REFUSED = "sign_in_refused"
    TOKENS_FILE_RELOADED = "tokens_file_reloaded"
    TOKENS_FILE_UNUSABLE = "tokens_file_unusable"  # what of it can't be read grants nothing
    BULK_ACT_FAILED = "bulk_act_failed"  # a fault of Stripeline: what was committed stays
    KEY_ACCEPTED = "key_accepted"  # a refused key was tried, and its connection goes on
    KEY_NOT_ACCEPTED = "key_not_accepted"  # it was tried, and its connection stays paused
    EVENTS_COMPARED = "events_compared"  # a window of Stripe's list with what came
    EVENTS_BACKFILLED = "events_backfilled"  # they never came, and are published now
    EVENT_NOT_BACKFILLED = "event_not_backfilled"  # it never came, and is no event that ingest takes
    SWEEP_FAILED = "sweep_failed"  # it is tried again
    # Processes
    PROCESS_GROUP_STARTS = "process_group_starts"
    PROCESS_ENDED = "process_ended"  # one of a group, by itself: it is started again
    PROCESS_SILENT = "process_silent"  # one of a group does not answer: it is killed, and started again
    KAFKA_UNREACHABLE = "kafka_unreachable"
    TLS_FILES_RELOADED = "tls_files_reloaded"
    TLS_FILES_UNUSABLE = "tls_files_unusable"  # the former ones stay
    KAFKA_LOGIN_FAILED = "kafka_login_failed"  # no new token; one that is still valid is used
    TOPIC_PROBLEM = "topic_problem"  # found while the process runs
    PART_FAILED = "part_failed"  # a second part of a process failed beside the one that ends it
    REPORT_NOT_PUBLISHED = "report_not_published"  # of this process, on the topic of the workers; the next one follows
    ORPHANED_KAFKA_ERROR = "orphaned_kafka_error"  # raised inside aiokafka, where nobody waits for it
    SHUTDOWN_FORCED = "shutdown_forced"
    EVENT_LOOP_BLOCKED = "event_loop_blocked"
    LOCAL_KAFKA_PROGRESS = "local_kafka_progress"
