"""Every data set that can be read, by name."""

from collections.abc import Mapping
from types import MappingProxyType

from models.datasets import (
    covid19_ct,
    covid_x_ray,
    covid_xray_5k,
    covidx,
    covidx_ct,
    five_class_cxr,
    project_manifests,
    sars_cov_2_ct,
)
from models.datasets.data_set import DataSetReader

READERS: Mapping[str, DataSetReader] = MappingProxyType(
    {
        reader.name: reader
        for reader in (
            sars_cov_2_ct.BY_IMAGE,
            sars_cov_2_ct.BY_BLOCK,
            covid19_ct.READER,
            covid_x_ray.READER,
            covid_xray_5k.READER,
            five_class_cxr.READER,
            covidx.READER,
            covidx_ct.READER,
            project_manifests.FILMS,
            project_manifests.SLICES,
        )
    }
)
"""Xu et al. use the first five, Jia et al. cxr5, covidx and covidxct; the last two are the project's own."""
