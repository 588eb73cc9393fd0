"""The MEAGraph autoencoder: settings, layers, training, checkpoints. Only ``settings`` comes without PyTorch."""
