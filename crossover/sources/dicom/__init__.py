"""Cases from DICOM: series by attributes, contours from RTSTRUCT or SEG."""
