import colorama
import idna

print(idna.encode("grüße.example").decode(), colorama.__version__)
