"""See `benchmarks.command`. Nothing more is here: the process of each library runs it, too."""

if __name__ == "__main__":
    from benchmarks.command import main

    main()
