"""What a picture must be like to be read: quality, features, thumbnails, and outliers to try it on."""
