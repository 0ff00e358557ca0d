"""What a person does to connections and records: recorded on the audit topic first."""
