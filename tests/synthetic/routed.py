"""Routes in force for a test, without a file."""

from dicom_node.database.engine import Database
from dicom_node.routes_in_force import activate
from dicom_node.routing.loading import read_routes
from tests.synthetic.stories import NOON

PLACES = """
[destinations.PACS]
address = "PACS@127.0.0.1:4242"
[destinations.BACKUP]
address = "BACKUP@127.0.0.1:4243"
"""


def put_in_force(database: Database, text: str) -> None:
    with database.begin() as session:
        activate(session, read_routes(text, "test"), actor="user:test", now=NOON)
