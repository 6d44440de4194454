from perdure.cli.main import main

if __name__ == "__main__":  # the workers of `perdure serve` may import this module again
    main()
