"""Word vectors."""

from relab.corpora import CorpusFile, VectorSource

from trainables.corpora.vectors import read_word_vectors

GLOVE_6B_50D = VectorSource(
    name="glove.6B.50d",
    title="GloVe, 6 billion tokens of Wikipedia and Gigaword, 400,000 words, 50 dimensions (Pennington et al. 2014)",
    licence="PDDL 1.0",
    home="https://nlp.stanford.edu/projects/glove/",
    pattern="glove.6B.50d*.txt",
    folders=("glove",),
    files=(
        CorpusFile(
            "vectors",
            "glove.6B.50d.txt",
            sha256="617afb2fe6cbd085c235baf7a465b96f4112bd7f7ccb2b2cbd649fed9cbcf2fb",
            url="https://nlp.stanford.edu/data/glove.6B.zip",
            member="glove.6B.50d.txt",
            bytes=862_182_613,
        ),
    ),
    obtain="Public: https://nlp.stanford.edu/data/glove.6B.zip (822 MiB) holds glove.6B.50d.txt beside wider ones; "
    "a part of it, named glove.6B.50d.<something>.txt, is read as well.",
    read=read_word_vectors,
)
