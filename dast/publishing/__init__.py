"""A round's dataset or model on the Hugging Face Hub: what is recorded, what would change, and carrying it out."""
