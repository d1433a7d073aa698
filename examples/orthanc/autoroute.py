"""Orthanc sends what it receives to dicom-node, and tries again until the node has it.

For Orthanc's Python plugin (Debian: orthanc-python). In orthanc.json::

    "Plugins": ["/usr/share/orthanc/plugins/libOrthancPython.so"],
    "PythonScript": "autoroute.py",
    "StableAge": 5,
    "DicomModalities": {"dicom-node": ["DICOM_NODE", "127.0.0.1", 11112]}

and for the node ``DICOM_NODE_DESTINATIONS=ORTHANC@127.0.0.1:4242``. What came from the node, and what was
sent already, is not sent again. After a restart of Orthanc everything that was not sent is looked for.
"""

import json
import queue
import threading

import orthanc

NODE, NODE_AET = "dicom-node", "DICOM_NODE"
SENT = "4242"  # user-defined metadata start at 1024
FIRST_PAUSE_S, LONGEST_PAUSE_S = 5, 600

studies: "queue.Queue[str]" = queue.Queue()


def on_change(change: int, level: int, resource: str) -> None:
    """Note what may have to be sent; Orthanc waits for this function, so the work is done elsewhere."""
    if change == orthanc.ChangeType.STABLE_STUDY:
        studies.put(resource)
    elif change == orthanc.ChangeType.ORTHANC_STARTED:
        threading.Thread(target=send_for_ever, daemon=True).start()
        for study in json.loads(orthanc.RestApiGet("/studies")):
            studies.put(study)


def send_for_ever() -> None:
    """Send one study after the other; the node that is away is asked again after a pause that doubles."""
    pause = threading.Event()
    while True:
        study, wait_s = studies.get(), FIRST_PAUSE_S
        while not send(study):
            pause.wait(wait_s)
            wait_s = min(wait_s * 2, LONGEST_PAUSE_S)


def send(study: str) -> bool:
    """Send the instances of the study that are not ours and not sent yet; False: to be tried again."""
    try:
        instances = [one["ID"] for one in json.loads(orthanc.RestApiGet(f"/studies/{study}/instances"))]
    except orthanc.OrthancException:
        return True  # deleted meanwhile
    try:
        if unsent := [one for one in instances if is_to_be_sent(one)]:
            order = {"Resources": unsent, "Synchronous": True, "Timeout": 60}
            orthanc.RestApiPost(f"/modalities/{NODE}/store", json.dumps(order))
            for instance in unsent:
                orthanc.RestApiPut(f"/instances/{instance}/metadata/{SENT}", "sent")
    except orthanc.OrthancException as error:
        orthanc.LogWarning(f"dicom-node did not take study {study}, trying again: {error}")
        return False
    return True


def is_to_be_sent(instance: str) -> bool:
    known = json.loads(orthanc.RestApiGet(f"/instances/{instance}/metadata?expand"))
    return SENT not in known and known.get("RemoteAET") != NODE_AET


orthanc.RegisterOnChangeCallback(on_change)
