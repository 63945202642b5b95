"""`python -m wardstack`: what the entry script hands over to."""

from wardstack.cli import main

if __name__ == "__main__":
    main()
