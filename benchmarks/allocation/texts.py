SETTING = TARGETS = FITS = READING = DIFFERENCES = PRIORS = LOOKS = PILOTS = FORECAST = SPEED = ""


def answer(found, usual):
    return ""


def curve(found):
    return ""
