"""Who may do what with the runs of a home."""

from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Quotas(BaseModel):
    """The limits of one guest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    waiting: int = Field(default=2, ge=0, description="trainings of one visitor that wait or run")
    epochs: int = Field(default=300, ge=1, description="epochs of one training")
    minutes: float = Field(default=15.0, gt=0, description="minutes of one training")
    parameters: int = Field(default=5_000_000, ge=1, description="parameters of one model")
    megabytes: int = Field(default=300, ge=0, description="all runs of one visitor, deleted ones included")
    maps: int = Field(default=2, ge=0, description="maps of one visitor that wait or are computed")
    upload_megabytes: int = Field(default=64, ge=0, description="uploads of one visit")
    all_upload_megabytes: int = Field(default=512, ge=0, description="uploads of all visits")


Role = Literal["operator", "guest", "reader"]


@dataclass(frozen=True)
class Visitor:
    """Who asks: `name` is a hash of the cookie's token, "" for the operator."""

    name: str = ""
    role: Role = "operator"
    quotas: Quotas = field(default_factory=Quotas)


OPERATOR = Visitor()
