"""One autoencoder as a composition of parts, and what can be measured on it. Nothing here touches the disk."""
