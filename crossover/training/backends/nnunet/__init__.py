"""nnU-Net makes the stages: its planning, preprocessing, augmentation, loop and inference, through its own classes.

Begin with `training`: a stage is a data set of nnU-Net's in a folder of the job (`dataset`, `planning`), trained by
`trainer`, which derives from `nnUNetTrainer`. `levels` names the parts of a network, `checkpoints` reads nnU-Net's
files without unpickling, `prediction` is its predictor. nnU-Net is imported inside functions and inside `trainer`,
after `environment` has set the variables that it reads as it is imported.
"""
