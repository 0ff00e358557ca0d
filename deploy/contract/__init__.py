"""The published contract: schemas and AsyncAPI generated from the models, compared with releases, and verified."""
