"""This library's own loop over patches of volumes: MONAI's 3D networks, trained as those of slices are.

The loop (loss, optimiser, schedule, frozen levels, checkpoints, history, retries) is `crossover.training.loop.Loop` and
`crossover.training.stage`. Here is what a 3D network sees: `volumes` puts cases on the network's voxels, `batches`
draws patches, `windows` predicts whole volumes.
"""
