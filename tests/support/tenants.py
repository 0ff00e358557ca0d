"""Control records of many tenants: each has a connection, three triggers and a workflow, with secrets that are sealed.

What `apply` would have written for them, without a file: ten thousand tenants take a second.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from aiokafka import AIOKafkaProducer
from pydantic import SecretStr

from stripeline.contracts.definitions import Connection, Trigger, Workflow, encode_definition
from stripeline.contracts.internal_records import encode
from stripeline.contracts.operator.control_records import ConnectionAccount
from stripeline.workers.secrets.vault import Vault, connection_secret, signing_secret

FAMILIES: Final = {
    "payments": "stripe/payment-event",
    "charges": "stripe/charge-event",
    "people": "stripe/customer-event",
}
SECRET: Final = "whsec_test"


def name_of(number: int) -> str:
    return f"tenant-{number:05}"


def key_of(number: int) -> str:
    return f"sk_test_{number:024}"


def account_of(number: int) -> str:
    return f"acct_{number:016}"


def records_of(number: int, vault: Vault, secret: str = SECRET) -> Iterator[tuple[str, bytes]]:
    """One tenant's control keys and values, in the order in which `apply` writes them."""
    name = name_of(number)
    yield f"account/{name}", encode(ConnectionAccount(account=account_of(number), mode="test"))
    key = vault.seal(connection_secret(name), SecretStr(key_of(number)))
    connection = Connection(secret_key=key, mode="test", hint=f"sk_test_…{number:04}", owner=name)
    yield f"connection/{name}", encode_definition(connection)
    for family, kind in FAMILIES.items():
        trigger, sealed = f"{name}-{family}", vault.seal(signing_secret(f"{name}-{family}"), SecretStr(secret))
        made = Trigger(kind=kind, connection=name, mode="test", signing_secrets=(sealed,), owner=name)
        yield f"trigger/{trigger}", encode_definition(made)
    yield f"workflow/{name}", encode_definition(workflow_of(number))


def workflow_of(number: int, at_least: int = 0) -> Workflow:
    """Two steps, with a `where` that is no other tenant's."""
    customer = {"email": "=data.receipt_email", "description": f"customer of {name_of(number)}"}
    deposit = {"amount": "=data.amount", "currency": "=data.currency", "customer": "=steps.customer.id"}
    return Workflow.model_validate(
        {
            "trigger": f"{name_of(number)}-payments",
            "types": ["payment_intent.succeeded"],
            "where": f"data.amount >= {at_least} && data.metadata.attribute_01 != 'not-{number}'",
            "steps": [
                {"id": "customer", "action": "stripe/create-customer", "input": customer},
                {"id": "deposit", "action": "stripe/create-payment-intent", "input": deposit},
            ],
            "owner": name_of(number),
        }
    )


def all_records(count: int, vault: Vault) -> Iterator[tuple[str, bytes]]:
    for number in range(count):
        yield from records_of(number, vault)


def file_of(number: int, at_least: int = 0) -> str:
    """The tenant's configuration file, whose secrets are `KEY` and `WHSEC` of the environment."""
    name = name_of(number)
    triggers = "\n".join(
        f'  {name}-{family}: {{kind: {kind}, connection: {name}, signing_secrets: ["${{env:WHSEC}}"]}}'
        for family, kind in FAMILIES.items()
    )
    return f"""\
connections:
  {name}: {{secret_key: "${{env:KEY}}"}}
triggers:
{triggers}
workflows:
  {name}:
    trigger: {name}-payments
    types: [payment_intent.succeeded]
    where: "data.amount >= {at_least} && data.metadata.attribute_01 != 'not-{number}'"
    steps:
      - id: customer
        action: stripe/create-customer
        input: {{email: "=data.receipt_email", description: "customer of {name}"}}
      - id: deposit
        action: stripe/create-payment-intent
        input: {{amount: "=data.amount", currency: "=data.currency", customer: "=steps.customer.id"}}
"""


async def write(bootstrap_servers: str, topic: str, records: Iterable[tuple[str, bytes | None]]) -> None:
    """Records of the control topic in batches, as fast as they go."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, max_batch_size=262_144, linger_ms=5)
    async with producer:
        for key, value in records:
            await producer.send(topic, value, key.encode(), partition=0)


def changed_record(what: str, number: int, vault: Vault) -> Mapping[str, bytes]:
    """A new trigger, workflow or connection record of a tenant that is there."""
    return {key: value for key, value in records_of(number, vault) if key.startswith(f"{what}/")}
