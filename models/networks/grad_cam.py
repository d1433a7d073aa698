"""Grad-CAM (Selvaraju et al. 2017) by automatic differentiation: for every network, whatever its head."""

import torch
from torch import Tensor

from models.networks.interface import ChestNetwork


def grad_cam(network: ChestNetwork, images: Tensor) -> Tensor:
    """Return one map a label (n, labels, rows, columns) on the last spatial map, before Grad-CAM's ReLU.

    sum_k sum_p(d logit_c / d f_k(p)) f_k: the paper's map times the number of places, so that it is in
    the logit's unit and, behind global pooling and a linear layer, the CAM itself. The networks' own
    ``maps`` need no backward pass through the trunk and are what is served; a test holds them to this.
    """
    with torch.inference_mode(mode=False), torch.enable_grad():
        # the weights may be frozen: the input is what makes autograd record
        features = network.features(images.detach().clone().requires_grad_(True))
        logits = network.logits(features)
        slopes = [
            torch.autograd.grad(logits[:, label].sum(), features.last_map, retain_graph=True)[0].sum((2, 3))
            for label in range(logits.shape[1])
        ]
    return torch.einsum("nkc,nchw->nkhw", torch.stack(slopes, dim=1), features.last_map).detach()
