"""From strings to typed columns: one cleaner for each type of field."""

from __future__ import annotations

from typing import Final

from etl.cleaners import coded, territory, written
from etl.cleaners.columns import Cleaner
from etl.source import FieldType

#: Every type with its cleaner. A joined field has none: it is made of cleaned ones.
CLEANERS: Final[dict[FieldType, Cleaner]] = {
    "text": written.text,
    "name": written.name,
    "code": written.code,
    "concept": written.concept,
    "bodies": written.bodies,
    "action": written.action,
    "urls": written.urls,
    "url": written.url,
    "amount": written.amount,
    "date": written.date,
    "moment": written.moment,
    "integer": written.integer,
    "number": written.number,
    "year": written.year,
    "flag": written.flag,
    "cup": coded.project_code,
    "cig": coded.tender_code,
    "tax_code": coded.tax_code,
    "coded": coded.coded,
    "municipality": territory.municipality,
    "istat": territory.istat,
    "province": territory.province,
    "region": territory.region,
}
