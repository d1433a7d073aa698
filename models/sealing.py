"""The last step before weights ship: their graph, and the answer that they must always give."""

from models.catalog import load_engine, load_network
from models.contract import ModelCard, card_text
from models.golden import golden_prediction
from models.installation import weights_digest
from models.model_card import markdown
from models.networks.interface import ChestNetwork, HeatMapKind
from models.onnx_graph import write_graph


def seal(card: ModelCard) -> ModelCard:
    """Write graph, manifest and card into ``card.folder``, where the weights are; return the completed card.

    A network whose heat map needs a gradient gets no graph, and one that must not serve no promise either.

    Raises
    ------
    WeightsMissing, WeightsCorrupted
        The weights are not those of the card.
    """
    sealed = card.model_copy(update={"graph_sha256": None, "golden": None})
    network = load_network(sealed)
    if network.serves:
        sealed = sealed.model_copy(update={"graph_sha256": _graph(sealed, network)})
        golden = golden_prediction(sealed, load_engine(sealed))
        sealed = sealed.model_copy(update={"golden": golden})
    (sealed.folder / "manifest.json").write_text(card_text(sealed), encoding="utf-8")
    sealed.text.write_text(markdown(sealed), encoding="utf-8")
    return sealed


def _graph(card: ModelCard, network: ChestNetwork) -> str | None:
    if network.heat_map is HeatMapKind.GRADIENT:
        card.graph.unlink(missing_ok=True)
        return None
    write_graph(network, card.weights, card.graph, card.preprocessing.input_size)
    return weights_digest(card.graph)
