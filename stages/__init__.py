"""The pipeline's stages, one script each; `ls stages` is the pipeline. Run as `python -m stages.NAME`."""
