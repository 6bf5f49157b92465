<?php echo 'client 10 of the agency: ', $_SERVER['HTTP_HOST'], "\n";
