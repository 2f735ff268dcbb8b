"""What leaves for other programs and what comes back from them.

Masks as DICOM objects, studies in the layouts of nnU-Net, MONAI and BIDS, masks that other tools predicted, and
trained models as packages. Nothing here trains, compares or draws.

It may import `core`, `imaging`, `sources`, `networks`, `study` and `evaluation`; `training`, `execution` and `cli`
may import it. Begin with `study_cases`, which every export reads, and `external_scores`.
"""
