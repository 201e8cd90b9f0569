"""The Streamlit front end: it asks `aecore`, it draws, it computes nothing."""
