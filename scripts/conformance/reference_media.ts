/** The smallest files of their kinds, in base64: one blue pixel, one silent sample. */
export const imageFile =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGNgiFoAAAFYAPsqQ1cuAAAAAElFTkSuQmCC';
export const audioFile = 'UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQIAAAAAAA==';
