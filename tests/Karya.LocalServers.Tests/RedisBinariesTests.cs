using Xunit;

namespace Karya.LocalServers.Tests;

public sealed class RedisBinariesTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("karya-test-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void The_chosen_folder_wins()
    {
        string chosen = Binary("chosen");

        Assert.Equal($"{chosen}/redis-server", RedisBinaries.FindServer(chosen, Binary("path"), Binary("system")));
    }

    [Fact]
    public void A_chosen_folder_without_the_binary_is_a_mistake_and_not_a_hint()
    {
        var failure = Assert.Throws<InvalidOperationException>(
            () => RedisBinaries.FindServer("/nowhere", Binary("path"), Binary("system")));

        Assert.Contains("KARYA_TEST_REDIS_BIN is /nowhere", failure.Message);
    }

    [Fact]
    public void The_first_folder_on_the_path_that_has_it_comes_next()
    {
        string path = Binary("path");

        Assert.Equal(
            $"{path}/redis-server",
            RedisBinaries.FindServer("", $"/nowhere:{_folder}:{path}:{Binary("later")}", Binary("system")));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("/nowhere")]
    public void Then_the_folder_of_the_system(string? path)
    {
        string system = Binary("system");

        Assert.Equal($"{system}/redis-server", RedisBinaries.FindServer(null, path, system));
    }

    [Fact]
    public void Without_any_the_message_says_what_to_install_and_what_to_set()
    {
        var failure = Assert.Throws<InvalidOperationException>(
            () => RedisBinaries.FindServer(null, null, "/nowhere"));

        Assert.Contains("apt-get install redis-server", failure.Message);
        Assert.Contains("KARYA_TEST_REDIS_BIN", failure.Message);
    }

    private string Binary(string name)
    {
        string folder = Directory.CreateDirectory(Path.Combine(_folder, name)).FullName;
        File.Create(Path.Combine(folder, "redis-server")).Dispose();
        return folder;
    }
}
