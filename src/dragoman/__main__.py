"""`python -m dragoman`."""

from dragoman.main import main

if __name__ == "__main__":
    main()
