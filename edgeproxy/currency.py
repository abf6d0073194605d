"""ISO 4217: the alphabetic currency codes, as one table.

Source: ISO 4217, list one as published on 1 January 2026 (178 codes).
"""

_LIST_ONE = """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN BZD
    CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP
    GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR
    KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN
    MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD
    SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX
    USD USN UYI UYU UYW UZS VED VES VND VUV WST XAD XAF XAG XAU XBA XBB XBC XBD XCD XCG XDR XOF XPD
    XPF XPT XSU XTS XUA XXX YER ZAR ZMW ZWG
"""

ISO_4217: frozenset[str] = frozenset(_LIST_ONE.split())

WITHDRAWN: frozenset[str] = frozenset({"ANG", "BGN"})
"""Codes that left the list in 2025 and 2026 while shops still send them; accepted too."""

_ACCEPTED = {code: code for code in ISO_4217 | WITHDRAWN}
_ACCEPTED.update({code.lower(): code for code in _ACCEPTED})


def code(value: object) -> str:
    """The currency in upper case, or "" for what is no known code.

    >>> code(" usd ")
    'USD'
    >>> code("dollars")
    ''
    """
    if not isinstance(value, str):
        return ""
    known = _ACCEPTED.get(value)
    # No code is longer than a few blanks around three letters; do not fold a whole novel.
    if known is None and len(value) <= 16:
        known = _ACCEPTED.get(value.strip().upper())
    return known or ""
