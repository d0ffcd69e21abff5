"""What a model must know of the public corpora of expressions: their labels, in the order of their class indices."""

DATASET_LABELS = {
    "dfew": ["happy", "sad", "neutral", "angry", "surprise", "disgust", "fear"],
    "ferv39k": ["Happy", "Sad", "Neutral", "Angry", "Surprise", "Disgust", "Fear"],
    "mafw": [
        "anger",
        "disgust",
        "fear",
        "happiness",
        "neutral",
        "sadness",
        "surprise",
        "contempt",
        "anxiety",
        "helplessness",
        "disappointment",
    ],
    "crema-d": ["ANG", "DIS", "FEA", "HAP", "NEU", "SAD"],
    "ravdess": ["neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"],
    "enterface": ["anger", "disgust", "fear", "happiness", "sadness", "surprise"],
}

# Of how many frames the published recipes take one. FERV39k's clips are short.
DATASET_SAMPLING_RATES = dict.fromkeys(DATASET_LABELS, 4) | {"ferv39k": 1}
