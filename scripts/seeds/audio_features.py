"""Features of recordings with librosa, a support vector machine, and a few pictures."""

from pathlib import Path

import librosa
import librosa.display
import matplotlib.pyplot as plt
import numpy as np
import soundfile
from librosa.feature import mfcc, spectral_centroid
from librosa.filters import mel as mel_filters
from sklearn.metrics import accuracy_score, confusion_matrix
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

RATE = 22_050


def read(path):
    wave, rate = librosa.load(path, sr=None, mono=True)
    wave = librosa.resample(wave, orig_sr=rate, target_sr=RATE)
    wave, _ = librosa.effects.trim(wave, top_db=30)
    return librosa.util.normalize(wave)


def describe(wave):
    stft = np.abs(librosa.stft(wave, n_fft=2048, hop_length=512))
    parts = [
        mfcc(y=wave, sr=RATE, n_mfcc=20),
        librosa.feature.chroma_stft(S=stft**2, sr=RATE),
        spectral_centroid(y=wave, sr=RATE),
        librosa.feature.spectral_contrast(S=stft, sr=RATE),
        librosa.feature.zero_crossing_rate(wave),
        librosa.feature.rms(y=wave, frame_length=2048),
        librosa.amplitude_to_db(stft, ref=np.max),
    ]
    tempo, _ = librosa.beat.beat_track(y=wave, sr=RATE)
    bands = mel_filters(sr=RATE, n_fft=2048, n_mels=40) @ stft
    means = [part.mean(axis=1) for part in parts]
    return np.concatenate([*means, bands.mean(axis=1), np.atleast_1d(tempo)])


def augment(wave, folder, name):
    slow = librosa.effects.time_stretch(wave, rate=0.9)
    high = librosa.effects.pitch_shift(wave, sr=RATE, n_steps=2)
    soundfile.write(folder / f"{name}_slow.wav", slow, RATE, subtype="FLOAT")
    soundfile.write(folder / f"{name}_high.wav", high, RATE, subtype="FLOAT")


def picture(wave, path):
    figure, (upper, lower) = plt.subplots(2)
    librosa.display.waveshow(wave, sr=RATE, ax=upper)
    spectrum = librosa.feature.melspectrogram(y=wave, sr=RATE)
    librosa.display.specshow(
        librosa.power_to_db(spectrum, ref=np.max), sr=RATE, x_axis="time", y_axis="mel", ax=lower
    )
    figure.savefig(path)
    plt.close(figure)


def main(folder="recordings"):
    rows, labels, seconds = [], [], 0.0
    for path in sorted(Path(folder).glob("*/*.wav")):
        seconds += librosa.get_duration(path=path)
        rows.append(describe(read(path)))
        labels.append(path.parent.name)
    print(f"{len(rows)} recordings, {seconds / 60:.1f} minutes")
    features, names = np.stack(rows), np.array(labels)
    x_train, x_test, y_train, y_test = train_test_split(features, names, test_size=0.2)
    scaler = StandardScaler().fit(x_train)
    model = SVC(C=10)
    model.fit(scaler.transform(x_train), y_train)
    found = model.predict(scaler.transform(x_test))
    print("accuracy", accuracy_score(y_test, found))
    for row in confusion_matrix(y_test, found, labels=model.classes_):
        print(row)


if __name__ == "__main__":
    main()
