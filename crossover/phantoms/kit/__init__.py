"""What the phantoms of all anatomies share.

`tissues` lists what is painted, `shapes` says where, `draw` and `waves` make it vary, `canvas` paints it on samples,
`geometry` places slices and makes voxels and magnitudes of samples, `clinical` draws and writes clinical tables,
`dicom` writes series of images, and `structures` writes contours.
"""
