namespace Karya.Cli.Rendering;

/// <summary>
/// What people read: data on stdout, messages on stderr, colour only where it is wanted and never the only sign.
/// </summary>
internal sealed class Terminal(TextWriter output, TextWriter error, bool hasColour)
{
    private const string Bold = "\e[1m";
    private const string Red = "\e[31m";
    private const string Plain = "\e[0m";

    /// <summary>
    /// Both streams go to a terminal that can show it, and nobody set NO_COLOR (https://no-color.org).
    /// </summary>
    public static bool WantsColour() =>
        !Console.IsOutputRedirected
        && !Console.IsErrorRedirected
        && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"))
        && Environment.GetEnvironmentVariable("TERM") != "dumb";

    public void Title(string text) => output.WriteLine(hasColour ? Bold + text + Plain : text);

    public void Line(string text) => output.WriteLine(text);

    /// <summary>Lines that come with their line ends.</summary>
    public void Text(string lines) => output.Write(lines);

    public void Note(string text) => error.WriteLine($"note: {text}");

    public void Message(string text) => error.WriteLine(text);

    /// <summary>What went wrong.</summary>
    public void Error(string what) => error.WriteLine(hasColour ? $"{Red}error:{Plain} {what}" : $"error: {what}");

    /// <summary>Below an error: its cause.</summary>
    public void Why(string cause) => error.WriteLine($"  why: {cause}");

    /// <summary>Below an error: what to do about it.</summary>
    public void Hint(string action) => error.WriteLine($"  try: {action}");
}
