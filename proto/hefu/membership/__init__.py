"""How one comes to take part and who decides: charter, mandate, who is who, enrolment, invitations."""
