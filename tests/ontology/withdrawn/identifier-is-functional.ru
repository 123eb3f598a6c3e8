# CLV alone says that l0:identifier is functional. Codes are its sub-properties (COV:taxCode, COV:IPAcode, PCTR:CIG,
# PRJ:uniqueProjectCodeValue): a public administration, which must have both a tax code and an IPA code, contradicts it.
PREFIX l0: <https://w3id.org/italia/onto/l0/>
PREFIX owl: <http://www.w3.org/2002/07/owl#>

DELETE DATA { l0:identifier a owl:FunctionalProperty }
