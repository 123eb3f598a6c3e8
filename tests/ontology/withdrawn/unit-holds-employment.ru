# In Public Investment the employment of whoever uses the CUP system is held (COV:holdEmployment, a kind of
# RO:holdsRoleInTime) by an organisational unit, and also by somebody alive; a role is of one, so the unit is alive.
# FOAF and ePO, through OntoPiA's alignments, say that no organisation is a person: every project would contradict them.
PREFIX COV: <https://w3id.org/italia/onto/COV/>
PREFIX owl: <http://www.w3.org/2002/07/owl#>
PREFIX pi: <https://w3id.org/italia/PublicInvestment/onto/PublicInvestment/>
PREFIX rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#>
PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>

DELETE { pi:Utente_sistema_cup rdfs:subClassOf ?both }
WHERE {
  pi:Utente_sistema_cup rdfs:subClassOf ?both .
  ?both owl:intersectionOf/rdf:rest*/rdf:first/owl:onProperty/owl:inverseOf COV:holdEmployment .
}
