using System.Text;

namespace Karya.Node.Plans;

/// <summary>Files that hold a secret and nothing else.</summary>
internal static class SecretFile
{
    /// <summary>Every secret fits many times over; a device without an end does not.</summary>
    public const int BytesMax = 64 * 1024;

    /// <param name="path">Of the file.</param>
    /// <param name="mistake">What is wrong with it, to stand behind its name; never shows what is in it.</param>
    /// <returns>Null when something is.</returns>
    public static string? Read(string path, out string mistake)
    {
        mistake = "is not there, or may not be read";
        try
        {
            byte[] bytes = new byte[BytesMax + 1];
            using var stream = File.OpenRead(path);
            int count = stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
            mistake = count > BytesMax ? "is larger than 64KiB; is it the right one?" : "is empty";

            // Whoever writes a secret with an editor or echo ends the line, and does not mean the line end.
            string value = Encoding.UTF8.GetString(bytes, 0, Math.Min(count, BytesMax)).TrimEnd('\r', '\n');
            return count <= BytesMax && value.Length > 0 ? value : null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return null;
        }
    }
}
