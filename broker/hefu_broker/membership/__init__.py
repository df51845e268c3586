"""Who takes part: enrolment, registry, certificates, standing, charters, and the one way in for statements."""
